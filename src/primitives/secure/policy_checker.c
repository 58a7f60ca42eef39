#include "primitives/secure/policy_checker.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/secure/policy_check_text.h"
#include "warren/program.h"

#define ASK_MS         ((uint64_t)30000)
#define MAX_ANSWER     WR_MIB
#define MAX_VIOLATIONS 100
#define NOT_JUDGED     "the code was not judged, so it does not run"

struct wr_policy_checker {
    struct wr_supply *supply;
};

struct wr_policy_checker *wr_policy_checker_free(struct wr_policy_checker *checker)
{
    if (!checker)
        return NULL;
    wr_supply_free(checker->supply);
    free(checker);
    return NULL;
}

struct wr_policy_checker *wr_policy_checker_new(struct wr_client *client,
                                                const struct wr_sandbox_opts *given,
                                                struct wr_error *err)
{
    struct wr_sandbox_opts sandbox;
    struct wr_policy_checker *checker = NULL;

    if (wr_options_read(given, &sandbox, sizeof sandbox, "wr_sandbox_opts", err) < 0)
        return NULL;
    sandbox.struct_size = sizeof sandbox;
    sandbox.no_internet = true; /* it reads, and talks to nobody */
    checker = wr_calloc(1, sizeof *checker);
    if (!checker) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
        return NULL;
    }
    checker->supply = wr_supply_session(client, WR_OPTS(wr_supply_opts, .sandbox = &sandbox), err);
    return checker->supply ? checker : wr_policy_checker_free(checker);
}

static bool has_texts(const json_t *object, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!json_is_string(json_object_get(object, names[i])))
            return false;
    return true;
}

/* One violation as the report has it; NULL when it is none. */
static json_t *violation_of(const json_t *found)
{
    static const char *const texts[] = {"rule", "name", "text"};
    static const char *const numbers[] = {"line", "column"};

    if (!has_texts(found, texts, WR_ARRAY_SIZE(texts)))
        return NULL;
    for (size_t i = 0; i < WR_ARRAY_SIZE(numbers); i++)
        if (!json_is_integer(json_object_get(found, numbers[i])))
            return NULL;
    return json_pack("{s:O, s:O, s:O, s:O, s:O}", "rule", json_object_get(found, "rule"), "name",
                     json_object_get(found, "name"), "line", json_object_get(found, "line"),
                     "column", json_object_get(found, "column"), "text",
                     json_object_get(found, "text"));
}

static int fail_no_report(struct wr_error *err)
{
    return wr_fail(err, WR_E_PERMISSION_DENIED, 0, NOT_JUDGED ": the answer is no report");
}

static int read_syntax_error(const json_t *answer, json_t **ret, struct wr_error *err)
{
    static const char *const texts[] = {"name", "value", "traceback"};
    json_t *why = json_object_get(answer, "syntax_error");

    if (json_object_size(answer) != 1 || !has_texts(why, texts, WR_ARRAY_SIZE(texts)))
        return fail_no_report(err);
    *ret = json_pack("{s:[], s:O}", "violations", "syntax_error", why);
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
}

static int read_violations(const json_t *answer, json_t **ret, struct wr_error *err)
{
    const json_t *found = json_object_get(answer, "violations");
    wr_auto_json *all = json_array();
    const char *why = json_string_value(json_object_get(answer, "error"));
    size_t i;
    json_t *one;

    if (!all)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
    if (why)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0, NOT_JUDGED ": %.150s", why);
    if (!json_is_array(found) || json_array_size(found) > MAX_VIOLATIONS)
        return fail_no_report(err);
    json_array_foreach((json_t *)(uintptr_t)found, i, one)
        if (json_array_append_new(all, violation_of(one)) < 0)
            return fail_no_report(err);
    *ret = json_pack("{s:O}", "violations", all);
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
}

static int read_answer(const struct wr_value *run, json_t **ret, struct wr_error *err)
{
    const struct wr_json_limits limits = {.bytes = MAX_ANSWER, .values = 4096, .allow_nul = true};
    const json_t *out = json_object_get(wr_value_json(run), "stdout");
    wr_auto_json *answer = NULL;
    struct wr_error why = {0};

    if (wr_value_int(run, "exit_code", -1) != 0 || wr_value_int(run, "signal", -1) != 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       NOT_JUDGED ": its reader ended with status %d, %.100s",
                       (int)wr_value_int(run, "exit_code", -1), wr_value_string(run, "stderr"));
    if (!json_is_string(out) ||
        wr_json_parse_limited(json_string_value(out), json_string_length(out), &limits, &answer,
                              &why) < 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0, NOT_JUDGED ": the answer is no JSON: %.100s",
                       why.msg);
    return json_object_get(answer, "syntax_error") ? read_syntax_error(answer, ret, err)
                                                   : read_violations(answer, ret, err);
}

/* Runs the reader in a sandbox that was leased. */
static int run_reader(struct wr_sandbox *sandbox, const char *request, struct wr_workflow *workflow,
                      struct wr_value **ret, struct wr_error *err)
{
    /* Isolated: neither the environment nor the directory decides what is imported. */
    const char *const argv[] = {"python3", "-I", "-S", "-B", "-c", wr_policy_check_text};
    const struct wr_wait wait = wr_workflow_wait(workflow, ASK_MS + 5000);

    return wr_program_run(sandbox,
                          WR_OPTS(wr_program_opts, .argv = argv, .argv_count = WR_ARRAY_SIZE(argv),
                                  .input = request, .input_len = strlen(request),
                                  .timeout_ms = ASK_MS, .max_output = MAX_ANSWER),
                          &wait, ret, err);
}

/* *ret_again: the sandbox had gone, another one may answer. */
static int ask_once(struct wr_policy_checker *checker, const char *request,
                    struct wr_workflow *workflow, struct wr_value **ret, bool *ret_again,
                    struct wr_error *err)
{
    struct wr_lease lease = {0};

    int r = wr_supply_acquire(checker->supply, workflow, &lease, err);
    if (r < 0)
        return wr_wrap(err, NOT_JUDGED);
    bool fresh = lease.fresh;
    r = run_reader(lease.sandbox, request, workflow, ret, err);
    bool lost = r < 0 && (wr_error_classify(err) & WR_CLASS_SERVICE || err->code == WR_E_NOT_FOUND);
    wr_supply_release(checker->supply, &lease,
                      r == 0 ? WR_LEASE_DONE
                      : lost ? WR_LEASE_LOST
                             : WR_LEASE_DIRTY);
    *ret_again = lost && !fresh;
    return r < 0 ? wr_wrap(err, NOT_JUDGED) : 0;
}

int wr_policy_checker_ask(struct wr_policy_checker *checker, const char *code, const json_t *rules,
                          struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    wr_auto_json *request =
        json_pack("{s:s, s:O}", "code", code, "policy", (json_t *)(uintptr_t)rules);
    wr_auto_free char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
    wr_auto_value *run = NULL;
    bool again = false;

    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy");
    int r = ask_once(checker, text, workflow, &run, &again, err);
    if (r < 0 && again)
        r = ask_once(checker, text, workflow, &run, &again, err);
    /* The reader's own time is over: that is the code's doing. */
    if (r < 0 && err->code == WR_E_DEADLINE_EXCEEDED && wr_workflow_check(workflow, err) == 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       NOT_JUDGED ": reading it took longer than %d seconds", (int)(ASK_MS / 1000));
    return r < 0 ? -err->code : read_answer(run, ret, err);
}
