#include <stdlib.h>

#include "json/jread.h"
#include "json/value.h"
#include "primitives/secure/policy_rules.h"
#include "test.h"

static int rules_of(const char *json, struct wr_policy_rules *ret, struct wr_error *err)
{
    wr_auto_value *given = NULL;

    *err = (struct wr_error){0};
    CHECK_INT(wr_value_parse(json, strlen(json), &given, err), 0);
    return wr_policy_rules_read(given, ret, err);
}

TEST(the_default_list)
{
    struct wr_policy_rules rules;
    struct wr_error err = {0};

    CHECK_INT(wr_policy_rules_read(NULL, &rules, &err), 0);
    char *text = json_dumps(rules.code, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK_STR(text, "{\"calls\":{\"deny\":[\"os.system\",\"subprocess.*\",\"eval\",\"exec\"]},"
                    "\"imports\":{\"deny\":[\"subprocess\"]}}");
    free(text);
    CHECK_INT(rules.max_code_bytes, 1 << 20);
    CHECK_STR(json_string_value(json_array_get(rules.languages, 0)), "python");
    CHECK(!rules.report_only && wr_policy_rules_read_code(&rules));
    wr_policy_rules_done(&rules);
}

TEST(everything)
{
    struct wr_policy_rules rules;
    struct wr_error err;

    CHECK_INT(
        rules_of("{\"imports\": {\"deny\": [\"a\"], \"allow\": [\"b.c\"]}, \"calls\": {\"deny\": "
                 "[\"x.*\"]}, \"attributes\": {\"deny\": [\"__class__\"]}, \"max_code_bytes\": 7, "
                 "\"languages\": [\"python\", \"bash\"], \"report_only\": true}",
                 &rules, &err),
        0);
    CHECK_INT(rules.max_code_bytes, 7);
    CHECK_INT(json_array_size(rules.languages), 2);
    CHECK(rules.report_only);
    CHECK_INT(json_object_size(rules.code), 3);
    wr_policy_rules_done(&rules);
    CHECK_INT(rules_of("{\"languages\": [\"bash\"]}", &rules, &err), 0);
    CHECK(!wr_policy_rules_read_code(&rules));
    wr_policy_rules_done(&rules);
    wr_policy_rules_done(&rules);
}

TEST(mistakes_are_named)
{
    static const struct {
        const char *json, *part;
    } cases[] = {
        {"[]", "object"},
        {"{\"import\": {}}", "import"},
        {"{\"imports\": []}", "imports"},
        {"{\"imports\": {\"denied\": []}}", "denied"},
        {"{\"calls\": {\"allow\": []}}", "allow"},
        {"{\"calls\": {\"deny\": [\"\"]}}", "calls.deny[0]"},
        {"{\"calls\": {\"deny\": [\"a\", 7]}}", "calls.deny[1]"},
        {"{\"calls\": {\"deny\": [\"os.system()\"]}}", "calls.deny[0]"},
        {"{\"imports\": {\"allow\": [\"a b\"]}}", "imports.allow[0]"},
        {"{\"languages\": [1]}", "languages[0]"},
        {"{\"max_code_bytes\": 0}", "max_code_bytes"},
        {"{\"max_code_bytes\": 4194305}", "max_code_bytes"},
        {"{\"report_only\": 1}", "report_only"},
    };
    struct wr_policy_rules rules = {0};
    struct wr_error err;

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        CHECK_INT(rules_of(cases[i].json, &rules, &err), -WR_E_INVALID_ARGUMENT);
        if (!strstr(err.msg, cases[i].part))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", cases[i].json, err.msg);
        CHECK(rules.code == NULL);
    }
}
