#include "primitives/secure/policy.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/execute/execution_result.h"
#include "primitives/secure/policy_checker.h"
#include "primitives/secure/policy_rules.h"

#define PYTHON        "python"
#define SYNTAX_OUTPUT ((size_t)10000) /* characters */

struct wr_policy {
    struct wr_policy_rules rules;
    struct wr_policy_checker *checker; /* NULL: no rule needs it */
};

struct wr_policy *wr_policy_free(struct wr_policy *policy)
{
    if (!policy)
        return NULL;
    wr_policy_checker_free(policy->checker);
    wr_policy_rules_done(&policy->rules);
    free(policy);
    return NULL;
}

struct wr_policy *wr_policy_new(const struct wr_policy_opts *opts, struct wr_error *err)
{
    struct wr_policy *policy = wr_calloc(1, sizeof *policy);

    if (!policy) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
        return NULL;
    }
    if (wr_policy_rules_read(opts->rules, &policy->rules, err) < 0)
        return wr_policy_free(policy);
    if (!wr_policy_rules_read_code(&policy->rules))
        return policy;
    policy->checker = wr_policy_checker_new(opts->client, opts->sandbox, err);
    return policy->checker ? policy : wr_policy_free(policy);
}

bool wr_policy_reports_only(const struct wr_policy *policy)
{
    return policy->rules.report_only;
}

const char *wr_policy_text(const struct wr_policy *policy)
{
    return policy->rules.text;
}

static bool speaks(const struct wr_policy *policy, const char *language)
{
    size_t i;
    json_t *one;

    json_array_foreach(policy->rules.languages, i, one)
        if (wr_streq(json_string_value(one), language))
            return true;
    return false;
}

/* A violation of the code as a whole. */
static json_t *of_the_whole(const char *rule, const char *name)
{
    return json_pack("{s:[{s:s, s:s, s:i, s:i, s:s}]}", "violations", "rule", rule, "name", name,
                     "line", 1, "column", 1, "text", "");
}

static int find(struct wr_policy *policy, const char *code, const char *language,
                struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    char size[40];

    if (!speaks(policy, language))
        *ret = of_the_whole("languages", language);
    else if (strlen(code) > policy->rules.max_code_bytes)
        *ret = wr_strformat(size, sizeof size, "%zu bytes", strlen(code))
                   ? of_the_whole("max_code_bytes", size)
                   : NULL;
    else if (policy->checker && wr_streq(language, PYTHON))
        return wr_policy_checker_ask(policy->checker, code, policy->rules.code, workflow, ret, err);
    else
        *ret = json_pack("{s:[]}", "violations");
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
}

int wr_policy_check(struct wr_policy *policy, const char *code, const char *language,
                    struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_json *report = NULL;

    int r = find(policy, code, language, workflow, &report, err);
    if (r < 0)
        return r;
    bool allowed = json_array_size(json_object_get(report, "violations")) == 0 &&
                   !json_object_get(report, "syntax_error");
    if (json_object_set_new(report, "allowed", json_boolean(allowed)) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
    *ret = wr_value_of_json(wr_steal_ptr(&report));
    return 0;
}

struct wr_value *wr_policy_syntax_result(const struct wr_value *report, const char *language,
                                         struct wr_error *err)
{
    json_t *why = json_object_get(wr_value_json(report), "syntax_error");
    struct wr_output_lines lines = {0};
    json_t *result = NULL;

    if (!why || wr_output_lines_init(&lines, 0, err) < 0)
        return NULL;
    wr_auto_json *run = json_pack("{s:[], s:O}", "results", "error", why);
    if (run)
        result = wr_execution_result(&(struct wr_execution_facts){.run = run,
                                                                  .lines = &lines,
                                                                  .max_output = SYNTAX_OUTPUT,
                                                                  .sandbox_id = "",
                                                                  .language = language});
    wr_output_lines_done(&lines);
    if (!result)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the result of the code");
    return wr_value_of_json(result);
}

int wr_policy_refusal(const struct wr_value *report, struct wr_error *err)
{
    const struct wr_value *all = wr_value_get(report, "violations");
    const struct wr_value *first = wr_value_at(all, 0);
    size_t more = wr_value_count(all) - 1;
    char others[40] = "";

    if (more > 0)
        (void)!wr_strformat(others, sizeof others, ", and %zu more", more);
    return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                   "the code is refused by the rule %.20s: %.60s in line %d%s; change it, or the "
                   "policy",
                   wr_value_string(first, "rule"), wr_value_string(first, "name"),
                   (int)wr_value_int(first, "line", 0), others);
}
