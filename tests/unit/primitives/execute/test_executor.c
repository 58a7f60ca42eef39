#include <dirent.h>
#include <math.h>

#include "json/value.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/executor.h"
#include "warren/telemetry.h"

#define MAX_RECORDS 64

struct fixture {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_telemetry *telemetry;
    struct wr_workflow *workflow;
    struct wr_primitive *executor;
    json_t *records[MAX_RECORDS];
    size_t record_count;
    /* What the interpreter does. */
    int code;
    const char *error_name, *error_value;
    json_t *envs; /* of the last cell, an array */
    uint64_t timeout_ms;
    char language[32];
    struct wr_error err;
};

static void on_log(const struct wr_value *record, void *data)
{
    struct fixture *f = data;

    CHECK(f->record_count < MAX_RECORDS);
    f->records[f->record_count++] = json_deep_copy(wr_value_json(record));
}

static int on_code(struct fake_driver *driver, const struct wr_call *call,
                   const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                   struct wr_error *err)
{
    struct fixture *f = data;

    (void)driver;
    (void)call;
    json_decref(f->envs);
    f->envs = json_array();
    for (size_t i = 0; i < opts->env_count; i++)
        json_array_append_new(f->envs, json_string(opts->envs[i]));
    f->timeout_ms = opts->timeout_ms;
    snprintf(f->language, sizeof f->language, "%s", opts->language);
    if (f->code) {
        *err = (struct wr_error){.code = f->code, .msg = "scripted"};
        return -f->code;
    }
    CHECK_INT(fake_code_emit(opts, WR_CODE_STDOUT, "120\n"), 0);
    *ret = fake_code_result("120\n", NULL, NULL, f->error_name, f->error_value);
    return 0;
}

static void set_up(struct fixture *f, const struct wr_executor_opts *opts)
{
    f->driver = fake_driver_new();
    f->client = fake_driver_client(f->driver);
    fake_driver_on_code(f->driver, on_code, f);
    f->telemetry = wr_telemetry_new(
        WR_OPTS(wr_telemetry_opts, .otlp_endpoint = "", .on_log = on_log, .on_log_data = f),
        &f->err);
    f->workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .correlation_id = "req-1", .telemetry = f->telemetry), &f->err);
    f->executor = wr_executor_new(f->client, opts, &f->err);
    CHECK(f->telemetry && f->workflow && f->executor);
}

static void tear_down(struct fixture *f)
{
    wr_primitive_free(f->executor);
    CHECK_INT(fake_driver_alive(f->driver), 0);
    wr_workflow_free(f->workflow);
    wr_telemetry_free(f->telemetry);
    wr_client_free(f->client);
    fake_driver_free(f->driver);
    for (size_t i = 0; i < f->record_count; i++)
        json_decref(f->records[i]);
    json_decref(f->envs);
}

static int execute(struct fixture *f, const char *input_text, struct wr_value **ret)
{
    struct wr_value *input = NULL;

    CHECK_INT(wr_value_parse(input_text, strlen(input_text), &input, &f->err), 0);
    int r = wr_primitive_execute(f->executor, input, f->workflow, ret, &f->err);
    wr_value_free(input);
    return r;
}

/* A line of the metrics. */
static void has_metric(struct fixture *f, const char *line)
{
    char *text = wr_telemetry_prometheus(f->telemetry);

    CHECK(text);
    if (!strstr(text, line))
        wr_test_fail(__FILE__, __LINE__, "no \"%s\" in\n%s", line, text);
    wr_free(text);
}

/* The last record of an execution. */
static const json_t *record_of(const struct fixture *f)
{
    for (size_t i = f->record_count; i-- > 0;)
        if (strcmp(json_string_value(json_object_get(f->records[i], "event")), "code_execution") ==
            0)
            return f->records[i];
    wr_test_fail(__FILE__, __LINE__, "no record of an execution");
}

TEST(an_execution_gives_a_result_and_leaves_nothing)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, NULL);
    CHECK_INT(execute(&f, "{\"code\": \"print('\u00fc')\"}", &result), 0);
    CHECK(wr_value_bool(result, "success", false));
    CHECK_STR(wr_value_string(result, "logs"), "120\n");
    CHECK_STR(wr_value_string(wr_value_get(result, "log_lines"), NULL), "");
    CHECK_STR(wr_value_string(wr_value_at(wr_value_get(result, "log_lines"), 0), NULL),
              "[stdout] 120");
    CHECK(*wr_value_string(result, "sandbox_id"));
    CHECK_STR(f.language, "python");
    CHECK_INT(f.timeout_ms, 30000);
    wr_value_free(result);
    tear_down(&f);
}

TEST(the_record_has_its_five_fields)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, NULL);
    CHECK_INT(execute(&f, "{\"code\": \"print('\u00fc')\"}", &result), 0);
    const json_t *record = record_of(&f);
    CHECK_STR(json_string_value(json_object_get(record, "primitive")), "CodeExecutionPrimitive");
    CHECK_STR(json_string_value(json_object_get(record, "correlation_id")), "req-1");
    CHECK(json_is_true(json_object_get(record, "success")));
    CHECK(json_real_value(json_object_get(record, "execution_time_ms")) == 1.0);
    CHECK_INT(json_integer_value(json_object_get(record, "code_length")), 10);
    CHECK_STR(json_string_value(json_object_get(record, "level")), "info");
    CHECK(!json_object_get(record, "error_class"));
    wr_value_free(result);
    tear_down(&f);
}

TEST(metrics_of_successes_and_of_each_class_of_error)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, NULL);
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    result = wr_value_free(result);
    has_metric(&f, "code_execution_requests_total 1\n");
    has_metric(&f, "code_execution_success_total 1\n");
    has_metric(&f, "code_execution_duration_seconds_count 1\n");
    has_metric(&f, "code_execution_active 0\n");

    f.error_name = "NameError";
    f.error_value = "x";
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    CHECK(!wr_value_bool(result, "success", true));
    CHECK_STR(wr_value_string(result, "error"), "NameError: x");
    wr_value_free(result);
    has_metric(&f, "code_execution_error_total{class=\"code\"} 1\n");
    CHECK_STR(json_string_value(json_object_get(record_of(&f), "level")), "warning");

    CHECK_INT(execute(&f, "{}", &result), -WR_E_INVALID_ARGUMENT);
    has_metric(&f, "code_execution_error_total{class=\"input\"} 1\n");
    f.code = WR_E_DEADLINE_EXCEEDED;
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), -WR_E_DEADLINE_EXCEEDED);
    has_metric(&f, "code_execution_error_total{class=\"timeout\"} 1\n");
    CHECK_STR(json_string_value(json_object_get(record_of(&f), "error_class")), "timeout");
    CHECK_STR(json_string_value(json_object_get(record_of(&f), "level")), "error");
    f.code = WR_E_UNAVAILABLE;
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), -WR_E_UNAVAILABLE);
    has_metric(&f, "code_execution_error_total{class=\"service\"} 1\n");
    has_metric(&f, "code_execution_requests_total 5\n");
    has_metric(&f, "code_execution_success_total 1\n");
    has_metric(&f, "code_execution_duration_seconds_count 4\n");
    has_metric(&f, "code_execution_active 0\n");
    tear_down(&f);
}

TEST(a_wrong_input_takes_no_sandbox)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, NULL);
    CHECK_INT(execute(&f, "{\"code\": \"1\", \"tiemout\": 1}", &result), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CREATE), 0);
    tear_down(&f);
}

TEST(files_and_packages_come_before_the_code)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, NULL);
    CHECK_INT(execute(&f,
                      "{\"code\": \"the code\", \"files\": {\"a\": \"1\", \"b\": \"2\"},"
                      "\"install\": [\"x\"]}",
                      &result),
              0);
    char *log = fake_driver_log(f.driver);
    const char *write = strstr(log, "write "), *pip = strstr(log, "program ");
    const char *code = strstr(log, "the code");
    CHECK(write && pip && code && write < pip && pip < code);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_FILE_WRITE), 1);
    free(log);
    wr_value_free(result);
    tear_down(&f);
}

TEST(no_install)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;
    bool found = false;
    size_t i;
    const json_t *item;

    set_up(&f, WR_OPTS(wr_executor_opts, .no_install = true));
    CHECK_INT(execute(&f, "{\"code\": \"1\", \"install\": [\"x\"]}", &result),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(f.err.msg, "no_install"));
    CHECK_INT(execute(&f, "{\"code\": \"1\", \"install\": []}", &result), 0);
    json_array_foreach(f.envs, i, item) {
        found = found || strcmp(json_string_value(item), "PIP_NO_INDEX=1") == 0;
    }
    CHECK(found);
    wr_value_free(result);
    tear_down(&f);
}

TEST(the_trace_is_the_span_s)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;
    char outside[56];
    size_t i, found = 0;
    const json_t *item;

    set_up(&f, NULL);
    wr_workflow_traceparent(f.workflow, outside);
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    json_array_foreach(f.envs, i, item) {
        const char *text = json_string_value(item);
        if (strncmp(text, "TRACEPARENT=", 12) == 0) {
            found++;
            CHECK(strncmp(text + 12, outside, 35) == 0); /* the same trace, */
            CHECK(strcmp(text + 12, outside) != 0);      /* another span */
        }
        found += strcmp(text, "WARREN_CORRELATION_ID=req-1") == 0;
    }
    CHECK_INT(found, 2);
    wr_value_free(result);
    tear_down(&f);
}

TEST(defaults_of_the_executor_and_what_an_input_says)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, WR_OPTS(wr_executor_opts, .timeout_ms = 5000, .language = "bash", .max_output = 2));
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    CHECK_INT(f.timeout_ms, 5000);
    CHECK_STR(f.language, "bash");
    CHECK_STR(wr_value_string(result, "stdout"), "12");
    CHECK(wr_value_bool(result, "truncated", false));
    result = wr_value_free(result);
    CHECK_INT(execute(&f, "{\"code\": \"1\", \"timeout\": 2.5, \"language\": \"r\"}", &result), 0);
    CHECK_INT(f.timeout_ms, 2500);
    CHECK_STR(f.language, "r");
    wr_value_free(result);
    tear_down(&f);
}

TEST(a_session_keeps_its_sandbox_after_a_timeout_and_loses_one_that_has_gone)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;
    char first[WR_SANDBOX_ID_MAX];

    set_up(&f, WR_OPTS(wr_executor_opts, .mode = WR_SESSION));
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    snprintf(first, sizeof first, "%s", wr_value_string(result, "sandbox_id"));
    result = wr_value_free(result);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CREATE), 1);
    f.code = WR_E_FAILED_PRECONDITION; /* of the cell, while the probe works: a class that says
                                          that nothing has run */
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), -WR_E_FAILED_PRECONDITION);
    f.code = 0;
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    CHECK_STR(wr_value_string(result, "sandbox_id"), first);
    result = wr_value_free(result);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CREATE), 1);

    fake_driver_lose(f.driver, first);
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), -WR_E_ABORTED);
    CHECK_INT(execute(&f, "{\"code\": \"1\"}", &result), 0);
    CHECK(strcmp(wr_value_string(result, "sandbox_id"), first) != 0);
    wr_value_free(result);
    tear_down(&f);
}

static unsigned open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    unsigned count = 0;

    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* Whichever call fails, and in whatever way: an answer comes, and no sandbox, no descriptor and no
 * execution that counts as active stays. */
TEST(a_failure_at_every_step)
{
    static const enum fake_op ops[] = {
        FAKE_CREATE,         FAKE_KILL,       FAKE_INFO,         FAKE_CONNECT,
        FAKE_CODE,           FAKE_PROGRAM,    FAKE_CONTEXT_LIST, FAKE_CONTEXT_RESTART,
        FAKE_CONTEXT_REMOVE, FAKE_FILE_WRITE, FAKE_FILE_READ,    FAKE_FILE_OTHER,
        FAKE_CONTEXT_CREATE, FAKE_LIST,       FAKE_SET_TIMEOUT};
    static const enum wr_code codes[] = {WR_E_UNAVAILABLE, WR_E_ABORTED, WR_E_DEADLINE_EXCEEDED,
                                         WR_E_CANCELED, WR_E_RESOURCE_EXHAUSTED};
    unsigned descriptors = open_descriptors();

    for (int mode = WR_EPHEMERAL; mode <= WR_POOLED; mode++)
        for (size_t op = 0; op < WR_ARRAY_SIZE(ops); op++)
            for (unsigned number = 1; number <= 3; number++) {
                struct fixture f = {0};
                set_up(&f, WR_OPTS(wr_executor_opts, .mode = (enum wr_executor_mode)mode,
                                   .supply_opts = WR_OPTS(wr_supply_opts, .size = 1)));
                fake_driver_fail(f.driver, ops[op], number, 1,
                                 codes[(op + number) % WR_ARRAY_SIZE(codes)]);
                for (int i = 0; i < 2; i++) {
                    wr_auto_value *result = NULL;
                    int r = execute(&f,
                                    "{\"code\": \"1\", \"files\": {\"a\": \"b\"}, \"install\": "
                                    "[\"six\"], \"timeout\": 3600}",
                                    &result);
                    CHECK(r == 0 ? result != NULL : !result && f.err.code == -r);
                }
                has_metric(&f, "code_execution_active 0\n");
                tear_down(&f);
            }
    CHECK_INT(open_descriptors(), descriptors);
}

TEST(bad_options_are_refused)
{
    struct fixture f = {0};
    struct wr_value *env = wr_value_of_string("no object");

    set_up(&f, NULL);
    CHECK(!wr_executor_new(f.client, WR_OPTS(wr_executor_opts, .mode = 3), &f.err));
    CHECK_INT(f.err.code, WR_E_INVALID_ARGUMENT);
    CHECK(!wr_executor_new(f.client, WR_OPTS(wr_executor_opts, .language = "a b"), &f.err));
    CHECK(!wr_executor_new(f.client, WR_OPTS(wr_executor_opts, .env = env), &f.err));
    CHECK(!wr_executor_new(f.client, WR_OPTS(wr_executor_opts, .max_output = 1UL << 40), &f.err));
    CHECK_INT(f.err.code, WR_E_INVALID_ARGUMENT);
    wr_value_free(env);
    tear_down(&f);
}

TEST(code_alone)
{
    struct fixture f = {0};
    struct wr_value *result = NULL;

    set_up(&f, NULL);
    CHECK_INT(wr_execute_code(f.executor, "1", NULL, &result, &f.err), 0);
    wr_value_free(result);
    CHECK_INT(wr_execute_code(f.executor, NULL, NULL, &result, &f.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_execute_code(f.executor, "\xff", NULL, &result, &f.err), -WR_E_INVALID_ARGUMENT);
    tear_down(&f);
}
