#include "primitives/secure/policy_rules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"

#define MAX_RULES         256
#define MAX_RULE_LEN      200
#define DEFAULT_MAX_BYTES WR_MIB
#define LIMIT_MAX_BYTES   (4 * WR_MIB)

/* The founding list: the code's own shell, other programs, and code out of text. */
#define DEFAULT_RULES                              \
    "{\"imports\": {\"deny\": [\"subprocess\"]}, " \
    "\"calls\": {\"deny\": [\"os.system\", \"subprocess.*\", \"eval\", \"exec\"]}}"

void wr_policy_rules_done(struct wr_policy_rules *rules)
{
    json_decref(rules->code);
    json_decref(rules->languages);
    free(rules->text);
    *rules = (struct wr_policy_rules){0};
}

/* An array of names; NULL is none. */
static int check_names(const json_t *names, const char *what, struct wr_error *err)
{
    size_t i;
    json_t *name;

    if (!names)
        return 0;
    if (json_array_size(names) > MAX_RULES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "policy: %s has more than %d entries", what,
                       MAX_RULES);
    json_array_foreach((json_t *)(uintptr_t)names, i, name) {
        size_t len = json_string_length(name);
        if (!json_is_string(name) || len == 0 || len > MAX_RULE_LEN ||
            strpbrk(json_string_value(name), " \t\r\n()"))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "policy: %s[%zu] is no name, such as \"os.system\" or \"subprocess.*\"",
                           what, i);
    }
    return 0;
}

/* {"deny": [], "allow": []}; a copy of it goes into `into`. */
static int read_lists(json_t *object, const char *name, bool has_allow, json_t *into,
                      struct wr_error *err)
{
    json_t *deny = NULL, *allow = NULL;
    const struct wr_json_field fields[] = {
        {.name = "deny", .kind = WR_JSON_ARRAY, .ret = &deny, .max = MAX_RULES},
        {.name = "allow", .kind = WR_JSON_ARRAY, .ret = &allow, .max = MAX_RULES},
    };
    char what[40];

    if (!object)
        return 0;
    int r = wr_json_read(object, fields, has_allow ? 2 : 1, WR_JSON_REFUSE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "policy: %s", name);
    if (!wr_strformat(what, sizeof what, "%s.deny", name))
        return wr_fail(err, WR_E_INTERNAL, 0, "policy");
    r = check_names(deny, what, err);
    if (r == 0)
        r = check_names(allow, "imports.allow", err);
    if (r < 0)
        return r;
    return json_object_set_new(into, name, json_deep_copy(object)) == 0
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
}

static int read_object(const json_t *object, struct wr_policy_rules *rules, struct wr_error *err)
{
    json_t *imports = NULL, *calls = NULL, *attributes = NULL, *languages = NULL;
    const struct wr_json_field fields[] = {
        {.name = "imports", .kind = WR_JSON_OBJECT, .ret = &imports},
        {.name = "calls", .kind = WR_JSON_OBJECT, .ret = &calls},
        {.name = "attributes", .kind = WR_JSON_OBJECT, .ret = &attributes},
        {.name = "max_code_bytes",
         .kind = WR_JSON_U64,
         .ret = &rules->max_code_bytes,
         .min = 1,
         .max = LIMIT_MAX_BYTES},
        {.name = "languages", .kind = WR_JSON_ARRAY, .ret = &languages, .max = MAX_RULES},
        {.name = "report_only", .kind = WR_JSON_BOOL, .ret = &rules->report_only},
    };

    int r = wr_json_read(object, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "policy");
    r = read_lists(imports, "imports", true, rules->code, err);
    if (r == 0)
        r = read_lists(calls, "calls", false, rules->code, err);
    if (r == 0)
        r = read_lists(attributes, "attributes", false, rules->code, err);
    if (r == 0)
        r = check_names(languages, "languages", err);
    if (r < 0)
        return r;
    rules->languages = languages ? json_deep_copy(languages) : json_pack("[s]", "python");
    rules->text = json_dumps(object, JSON_COMPACT | JSON_SORT_KEYS);
    return rules->languages && rules->text
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
}

int wr_policy_rules_read(const struct wr_value *given, struct wr_policy_rules *ret,
                         struct wr_error *err)
{
    struct wr_policy_rules rules = {.max_code_bytes = DEFAULT_MAX_BYTES, .code = json_object()};
    wr_auto_json *defaults = NULL;
    const json_t *object = wr_value_json(given);

    if (!given) {
        defaults = json_loads(DEFAULT_RULES, 0, NULL);
        object = defaults;
    }
    int r = 0;
    if (!rules.code || !object)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
    else if (!json_is_object(object))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "policy: is an object");
    if (r == 0)
        r = read_object(object, &rules, err);
    if (r < 0) {
        wr_policy_rules_done(&rules);
        return r;
    }
    *ret = rules;
    return 0;
}

bool wr_policy_rules_read_code(const struct wr_policy_rules *rules)
{
    return json_object_size(rules->code) > 0;
}
