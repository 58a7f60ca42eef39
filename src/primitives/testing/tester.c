#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/supply.h"
#include "primitives/testing/junit_xml.h"
#include "primitives/testing/test_case.h"
#include "primitives/testing/test_project.h"
#include "warren/testing.h"

#define NAME               "CodeTestingPrimitive"
#define SUITE              "warren"
#define DEFAULT_CONCURRENT 4
#define MAX_CONCURRENT     64
#define DEFAULT_CASE_MS    ((uint64_t)30000)
#define DEFAULT_PROJECT_MS ((uint64_t)600000)
#define DEFAULT_OUTPUT     ((size_t)10000)

struct tester {
    struct wr_supply *supply;
    bool keeps;
    unsigned max_concurrent;
    uint64_t case_timeout_ms, project_timeout_ms;
    size_t max_output;
};

/* ---- cases ---- */

/* One call: workers take the next case until there is none. */
struct cases {
    const struct wr_test_suite *suite;
    struct wr_workflow *workflow;
    json_t **results; /* one for each case */
    atomic_size_t next;
    pthread_mutex_t lock;  /* of `error` */
    struct wr_error error; /* the first that ends the call */
};

static void give_up(struct cases *cases, const struct wr_error *why)
{
    (void)pthread_mutex_lock(&cases->lock);
    if (cases->error.code == WR_OK)
        cases->error = *why;
    (void)pthread_mutex_unlock(&cases->lock);
    atomic_store(&cases->next, cases->suite->count);
}

static void *work(void *data)
{
    struct cases *cases = data;

    for (size_t i = atomic_fetch_add(&cases->next, 1); i < cases->suite->count;
         i = atomic_fetch_add(&cases->next, 1)) {
        struct wr_error err;
        /* Spans of cases that run at the same time must not mix. */
        wr_auto_workflow *scope = wr_workflow_scope(cases->workflow, NULL, &err);
        if (!scope || wr_test_case_run(cases->suite, &cases->suite->cases[i], scope,
                                       &cases->results[i], &err) < 0)
            give_up(cases, &err);
    }
    return NULL;
}

/* The calling thread is one of the workers, so that there is always one. */
static void run_cases(struct cases *cases, unsigned concurrent)
{
    pthread_t threads[MAX_CONCURRENT];
    sigset_t all, before;
    unsigned started = 0;

    sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (; started + 1 < concurrent; started++) {
        if (pthread_create(&threads[started], NULL, work, cases) != 0)
            break; /* those that there are do it */
        (void)pthread_setname_np(threads[started], "warren-tester");
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    (void)work(cases);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

static void count(const json_t *result, struct wr_junit_counts *counts)
{
    const char *outcome = json_string_value(json_object_get(result, "outcome"));

    if (wr_streq(outcome, "passed"))
        counts->passed++;
    else if (wr_streq(outcome, "infrastructure_error"))
        counts->errored++;
    else
        counts->failed++;
}

static const char *outcome_of(const struct wr_junit_counts *counts)
{
    if (counts->failed > 0)
        return "failed";
    return counts->errored > 0 ? "infrastructure_error" : "passed";
}

/* Consumes `results`. */
static int cases_output(json_t *results, double duration_ms, json_t **ret, struct wr_error *err)
{
    struct wr_junit_counts counts = {.duration_ms = duration_ms};
    wr_auto_buf xml = WR_BUF(WR_JUNIT_MAX);
    const json_t *result;
    size_t i;

    json_array_foreach(results, i, result) {
        count(result, &counts);
    }
    int r = wr_junit_write(&xml, SUITE, &counts, results);
    if (r < 0) {
        json_decref(results);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "the report of the cases");
    }
    json_t *made = json_pack(
        "{s:b, s:s, s:I, s:I, s:I, s:I, s:o, s:s%, s:f}", "success",
        counts.passed == json_array_size(results), "outcome", outcome_of(&counts), "tests_passed",
        (json_int_t)counts.passed, "tests_failed", (json_int_t)counts.failed, "tests_skipped",
        (json_int_t)counts.skipped, "tests_errored", (json_int_t)counts.errored, "results", results,
        "junit_xml", wr_buf_ptr(&xml), xml.len, "duration_ms", duration_ms);
    if (!made)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result of the tests");
    *ret = made;
    return 0;
}

static int run_suite(const struct tester *tester, const struct wr_test_suite *suite,
                     struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    struct cases cases = {.suite = suite, .workflow = workflow};
    uint64_t start_us = wr_mono_us();
    wr_auto_free json_t **results = wr_calloc(suite->count, sizeof *results);
    json_t *list = json_array();
    int r = 0;

    if (!results || !list) {
        json_decref(list);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "test_cases");
    }
    cases.results = results;
    atomic_init(&cases.next, 0);
    (void)pthread_mutex_init(&cases.lock, NULL);
    run_cases(&cases, (unsigned)WR_MIN((size_t)tester->max_concurrent, suite->count));
    (void)pthread_mutex_destroy(&cases.lock);
    for (size_t i = 0; i < suite->count; i++)
        if (results[i] && json_array_append_new(list, results[i]) < 0)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "test_cases");
    if (cases.error.code != WR_OK) {
        *err = cases.error;
        r = -err->code;
    }
    if (r < 0) {
        json_decref(list);
        return r;
    }
    return cases_output(list, (double)(wr_mono_us() - start_us) / 1e3, ret, err);
}

static int test_cases(const struct tester *tester, const json_t *input,
                      struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    struct wr_test_suite suite = {
        .supply = tester->supply, .keeps = tester->keeps, .max_output = tester->max_output};

    int r = wr_test_suite_read(input, tester->case_timeout_ms, &suite, err);
    if (r == 0)
        r = run_suite(tester, &suite, workflow, ret, err);
    wr_test_suite_done(&suite);
    return r;
}

static int test_project(const struct tester *tester, const json_t *input,
                        struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
{
    const struct wr_test_project project = {.supply = tester->supply,
                                            .keeps = tester->keeps,
                                            .timeout_ms = tester->project_timeout_ms,
                                            .max_output = tester->max_output};

    return wr_test_project_run(&project, input, workflow, ret, err);
}

/* ---- the primitive ---- */

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    const json_t *json = wr_value_json(input);
    json_t *made = NULL;

    if (!json_is_object(json))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the input of a test is no object");
    int r = json_object_get(json, "project") ? test_project(self, json, workflow, &made, err)
                                             : test_cases(self, json, workflow, &made, err);
    if (r < 0)
        return r;
    struct wr_span *span = wr_workflow_span(workflow);
    wr_span_set_string(span, "outcome", json_string_value(json_object_get(made, "outcome")));
    wr_span_set_int(span, "tests_passed",
                    json_integer_value(json_object_get(made, "tests_passed")));
    wr_span_set_int(span, "tests_failed",
                    json_integer_value(json_object_get(made, "tests_failed")));
    *ret = wr_value_of_json(made);
    return 0;
}

static struct wr_value *stats(void *self)
{
    const struct tester *tester = self;

    return wr_supply_stats(tester->supply);
}

static void tester_free(void *self)
{
    struct tester *tester = self;

    if (!tester)
        return;
    wr_supply_free(tester->supply);
    free(tester);
}

static int fill(struct tester *tester, struct wr_client *client, const struct wr_tester_opts *opts,
                struct wr_error *err)
{
    tester->max_concurrent = opts->max_concurrent ? opts->max_concurrent : DEFAULT_CONCURRENT;
    tester->case_timeout_ms = opts->case_timeout_ms ? opts->case_timeout_ms : DEFAULT_CASE_MS;
    tester->project_timeout_ms =
        opts->project_timeout_ms ? opts->project_timeout_ms : DEFAULT_PROJECT_MS;
    tester->max_output = opts->max_output ? opts->max_output : DEFAULT_OUTPUT;
    if (tester->max_concurrent > MAX_CONCURRENT)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "max_concurrent: more than %d",
                       MAX_CONCURRENT);
    tester->supply = opts->supply ? wr_supply_ref(opts->supply)
                                  : wr_supply_ephemeral(client, opts->supply_opts, err);
    if (!tester->supply)
        return -err->code;
    wr_auto_value *facts = wr_supply_stats(tester->supply);
    tester->keeps = wr_streq(wr_value_string(facts, "kind"), "session");
    if (tester->keeps) /* cases in one sandbox have one input file and one interpreter */
        tester->max_concurrent = 1;
    return 0;
}

/* What decides results besides their input. What is in a project is not in its path, so a cache
 * around a tester has to be told of it. */
static int write_scope(const struct tester *tester, char ret[static WR_PRIMITIVE_SCOPE_MAX],
                       struct wr_error *err)
{
    wr_auto_json *what =
        json_pack("{s:s, s:I, s:I, s:I, s:s}", "tester", NAME, "case_timeout_ms",
                  (json_int_t)tester->case_timeout_ms, "project_timeout_ms",
                  (json_int_t)tester->project_timeout_ms, "max_output",
                  (json_int_t)tester->max_output, "supply", wr_supply_scope(tester->supply));
    wr_auto_free char *text = what ? json_dumps(what, JSON_COMPACT) : NULL;

    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tester");
    wr_primitive_scope_of(text, NULL, 0, ret);
    return 0;
}

struct wr_primitive *wr_tester_new(struct wr_client *client, const struct wr_tester_opts *opts,
                                   struct wr_error *err)
{
    static const struct wr_primitive_ops ops = {
        .struct_size = sizeof ops,
        .execute = execute,
        .stats = stats,
        .free = tester_free,
    };
    struct wr_tester_opts own;
    struct wr_primitive *primitive = NULL;
    char scope[WR_PRIMITIVE_SCOPE_MAX];

    if (wr_options_read(opts, &own, sizeof own, "wr_tester_opts", err) < 0)
        return NULL;
    struct tester *tester = wr_calloc(1, sizeof *tester);
    if (!tester)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tester");
    else if (fill(tester, client, &own, err) == 0 && write_scope(tester, scope, err) == 0)
        primitive = wr_primitive_make(&(struct wr_primitive_spec){.name = NAME,
                                                                  .span = "code_testing.execute",
                                                                  .ops = &ops,
                                                                  .self = tester,
                                                                  .scope = scope},
                                      err);
    if (!primitive)
        tester_free(tester);
    return primitive;
}
