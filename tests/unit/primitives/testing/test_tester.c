#include <stdlib.h>
#include <unistd.h>

#include "json/value.h"
#include "primitives/core/primitive.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/testing.h"

struct fixture {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_primitive *tester;
    struct wr_error err;
};

/* The interpreter: says what the case's input file says, or fails as the code asks for. */
static int on_code(struct fake_driver *driver, const struct wr_call *call,
                   const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                   struct wr_error *err)
{
    char *input = fake_driver_file(driver, call->sandbox->id, "/test_input.json");

    (void)data;
    if (strstr(opts->code, "_warren_stdin")) {
        *ret = fake_code_result(NULL, NULL, NULL, NULL, NULL);
    } else if (input && strstr(input, "timeout")) {
        *err = (struct wr_error){.code = WR_E_DEADLINE_EXCEEDED, .msg = "scripted"};
    } else if (input && strstr(input, "raise")) {
        *ret = fake_code_result("before", NULL, NULL, "ValueError", "bad");
    } else if (strcmp(opts->code, "value") == 0) {
        *ret = fake_code_result(NULL, NULL, "42", NULL, NULL);
    } else {
        *ret = fake_code_result(input ? input : "none", NULL, NULL, NULL, NULL);
    }
    free(input);
    return *ret ? 0 : -err->code;
}

static void set_up(struct fixture *f, const struct wr_tester_opts *opts)
{
    f->driver = fake_driver_new();
    f->client = fake_driver_client(f->driver);
    fake_driver_on_code(f->driver, on_code, NULL);
    f->tester = wr_tester_new(f->client, opts, &f->err);
    CHECK(f->tester);
}

static void tear_down(struct fixture *f)
{
    wr_primitive_free(f->tester);
    CHECK_INT(fake_driver_alive(f->driver), 0);
    wr_client_free(f->client);
    fake_driver_free(f->driver);
}

static int run(struct fixture *f, const char *text, struct wr_workflow *workflow,
               struct wr_value **ret)
{
    struct wr_value *input = NULL;

    CHECK_INT(wr_value_parse(text, strlen(text), &input, &f->err), 0);
    int r = wr_primitive_execute(f->tester, input, workflow, ret, &f->err);
    wr_value_free(input);
    return r;
}

static const struct wr_value *result_at(const struct wr_value *output, size_t index)
{
    const struct wr_value *result = wr_value_at(wr_value_get(output, "results"), index);

    CHECK(result);
    return result;
}

TEST(cases_keep_their_order_and_have_a_sandbox_each)
{
    struct fixture f = {0};
    struct wr_value *output = NULL;

    set_up(&f, NULL);
    CHECK_INT(
        run(&f,
            "{\"code\": \"c\", \"test_cases\": ["
            "{\"input\": 1, \"expected_output\": \"1\"}, {\"name\": \"two\", \"input\": [2], \"expected_output\": \"[2]\"},"
            "{\"expected_output\": \"none\"}, {\"input\": 4, \"expected_output\": \"5\"}]}",
            NULL, &output),
        0);
    CHECK_STR(wr_value_string(result_at(output, 0), "test"), "case 1");
    CHECK_STR(wr_value_string(result_at(output, 1), "test"), "two");
    CHECK_STR(wr_value_string(result_at(output, 3), "outcome"), "failed");
    CHECK_STR(wr_value_string(result_at(output, 3), "output"), "4");
    CHECK_STR(wr_value_string(result_at(output, 3), "expected"), "5");
    CHECK(*wr_value_string(result_at(output, 3), "error"));
    CHECK_INT(wr_value_int(output, "tests_passed", -1), 3);
    CHECK_INT(wr_value_int(output, "tests_failed", -1), 1);
    CHECK(!wr_value_bool(output, "success", true));
    CHECK_STR(wr_value_string(output, "outcome"), "failed");
    CHECK(strstr(wr_value_string(output, "junit_xml"), "tests=\"4\" failures=\"1\""));
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CREATE), 4);
    wr_value_free(output);
    tear_down(&f);
}

TEST(outcomes_are_told_apart)
{
    struct fixture f = {0};
    struct wr_value *output = NULL;

    set_up(&f, WR_OPTS(wr_tester_opts, .max_concurrent = 1));
    CHECK_INT(
        run(&f,
            "{\"code\": \"c\", \"test_cases\": [{\"input\": \"raise\"}, {\"input\": \"timeout\"},"
            "{\"input\": 3}]}",
            NULL, &output),
        0);
    CHECK_STR(wr_value_string(result_at(output, 0), "outcome"), "failed");
    CHECK_STR(wr_value_string(result_at(output, 0), "error"), "ValueError: bad");
    CHECK_STR(wr_value_string(result_at(output, 0), "output"), "before");
    CHECK_STR(wr_value_string(result_at(output, 1), "outcome"), "timeout");
    CHECK_STR(wr_value_string(result_at(output, 2), "outcome"), "passed");
    output = wr_value_free(output);

    fake_driver_fail(f.driver, FAKE_FILE_WRITE, 2, 1, WR_E_UNAVAILABLE);
    CHECK_INT(run(&f, "{\"code\": \"c\", \"test_cases\": [{\"input\": 1}, {\"input\": 2}]}", NULL,
                  &output),
              0);
    CHECK_STR(wr_value_string(result_at(output, 0), "outcome"), "passed");
    CHECK_STR(wr_value_string(result_at(output, 1), "outcome"), "infrastructure_error");
    CHECK_STR(wr_value_string(output, "outcome"), "infrastructure_error");
    CHECK_INT(wr_value_int(output, "tests_errored", -1), 1);
    wr_value_free(output);
    tear_down(&f);
}

TEST(text_is_a_standard_input_too)
{
    struct fixture f = {0};
    struct wr_value *output = NULL;

    set_up(&f, NULL);
    CHECK_INT(run(&f, "{\"code\": \"c\", \"test_cases\": [{\"input\": \"a\\nb\"}]}", NULL, &output),
              0);
    CHECK(wr_value_bool(output, "success", false));
    char *log = fake_driver_log(f.driver);
    const char *preamble = strstr(log, "_warren_stdin");
    CHECK(strstr(log, "/test_input.json") && strstr(log, "/test_input.txt") && preamble);
    free(log);
    output = wr_value_free(output);
    /* A language whose cells have none. */
    CHECK_INT(
        run(&f,
            "{\"code\": \"c\", \"language\": \"javascript\", \"test_cases\": [{\"input\": \"a\"}]}",
            NULL, &output),
        0);
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CODE), 3);
    wr_value_free(output);
    tear_down(&f);
}

TEST(the_value_of_the_last_expression_counts_when_nothing_was_printed)
{
    struct fixture f = {0};
    struct wr_value *output = NULL;

    set_up(&f, WR_OPTS(wr_tester_opts, .max_output = 1));
    CHECK_INT(run(&f, "{\"code\": \"value\", \"test_cases\": [{\"expected_number\": 42}]}", NULL,
                  &output),
              0);
    CHECK(wr_value_bool(output, "success", false));
    CHECK_STR(wr_value_string(result_at(output, 0), "output"), "4");
    wr_value_free(output);
    tear_down(&f);
}

TEST(no_more_than_so_many_at_a_time)
{
    struct fixture f = {0};
    struct wr_value *output = NULL;

    set_up(&f, WR_OPTS(wr_tester_opts, .max_concurrent = 2));
    CHECK_INT(run(&f, "{\"code\": \"c\", \"test_cases\": [{}, {}, {}, {}, {}, {}, {}, {}]}", NULL,
                  &output),
              0);
    CHECK_INT(wr_value_int(output, "tests_passed", 0), 8);
    CHECK(fake_driver_peak(f.driver, FAKE_CODE) <= 2);
    wr_value_free(output);
    tear_down(&f);
}

TEST(a_workflow_that_has_ended_ends_all)
{
    struct fixture f = {0};
    struct wr_value *output = NULL;
    struct wr_workflow *workflow = wr_workflow_new(NULL, &f.err);

    set_up(&f, NULL);
    fake_driver_fail(f.driver, FAKE_CREATE, 1, 1, WR_E_CANCELED);
    CHECK_INT(run(&f, "{\"code\": \"c\", \"test_cases\": [{}, {}]}", workflow, &output),
              -WR_E_CANCELED);
    CHECK(!output);
    wr_workflow_free(workflow);
    tear_down(&f);
}

/* A cache around it must not give what another one has found. */
TEST(settings_are_part_of_the_scope)
{
    struct fixture f = {0};

    set_up(&f, NULL);
    struct wr_primitive *same = wr_tester_new(f.client, NULL, &f.err);
    struct wr_primitive *other =
        wr_tester_new(f.client, WR_OPTS(wr_tester_opts, .case_timeout_ms = 1000), &f.err);
    struct wr_primitive *elsewhere = wr_tester_new(
        f.client,
        WR_OPTS(wr_tester_opts,
                .supply_opts = WR_OPTS(wr_supply_opts,
                                       .sandbox = WR_OPTS(wr_sandbox_opts, .template_name = "x"))),
        &f.err);
    CHECK(same && other && elsewhere);
    CHECK_STR(wr_primitive_scope(f.tester), wr_primitive_scope(same));
    CHECK(strcmp(wr_primitive_scope(f.tester), wr_primitive_scope(other)) != 0);
    CHECK(strcmp(wr_primitive_scope(f.tester), wr_primitive_scope(elsewhere)) != 0);
    wr_primitive_free(same);
    wr_primitive_free(other);
    wr_primitive_free(elsewhere);
    tear_down(&f);
}

/* Whatever call fails or is canceled, an answer comes and nothing is left. */
TEST(a_failure_at_every_step)
{
    static const enum wr_code codes[] = {WR_E_UNAVAILABLE, WR_E_CANCELED, WR_E_DEADLINE_EXCEEDED,
                                         WR_E_NOT_FOUND};
    static const enum fake_op ops[] = {FAKE_CREATE, FAKE_KILL, FAKE_INFO, FAKE_FILE_WRITE,
                                       FAKE_CODE};

    for (size_t i = 0; i < WR_ARRAY_SIZE(ops); i++)
        for (unsigned nth = 1; nth <= 4; nth++)
            for (size_t k = 0; k < WR_ARRAY_SIZE(codes); k++) {
                struct fixture f = {0};
                wr_auto_value *output = NULL;
                set_up(&f, WR_OPTS(wr_tester_opts, .max_concurrent = 2));
                fake_driver_fail(f.driver, ops[i], nth, 1, codes[k]);
                int r =
                    run(&f,
                        "{\"code\": \"c\", \"test_cases\": [{\"input\": \"a\"}, {\"input\": 2}, "
                        "{\"input\": \"b\"}]}",
                        NULL, &output);
                CHECK(r == 0 ? output != NULL : output == NULL && f.err.code == -r);
                if (r == 0)
                    CHECK_INT(wr_value_count(wr_value_get(output, "results")), 3);
                tear_down(&f);
            }
}

/* A project whose tests put a pipe in the place of their report, so that who reads it waits. */
static int on_program(struct fake_driver *driver, const struct wr_call *call,
                      const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                      struct wr_error *err)
{
    const int *status = data;

    (void)driver;
    (void)call;
    if (opts->argv_count > 2 && strstr(opts->argv[2], "summary.py")) {
        *err = (struct wr_error){.code = WR_E_DEADLINE_EXCEEDED, .msg = "scripted"};
        return -err->code;
    }
    bool tests = strstr(opts->argv[1], "unittest.py") != NULL;
    *ret = fake_program_result(tests ? *status : 0, "", "");
    return 0;
}

TEST(a_report_that_cannot_be_read_is_no_failure_of_the_service)
{
    static const int statuses[] = {0, 1};

    for (size_t i = 0; i < WR_ARRAY_SIZE(statuses); i++) {
        struct fixture f = {0};
        int status = statuses[i];
        char directory[] = "/tmp/warren-test-XXXXXX", input[100];
        wr_auto_value *output = NULL;
        set_up(&f, NULL);
        fake_driver_on_program(f.driver, on_program, &status);
        CHECK(mkdtemp(directory));
        snprintf(input, sizeof input, "{\"project\": \"%s\", \"runner\": \"unittest\"}", directory);
        CHECK_INT(run(&f, input, NULL, &output), 0);
        CHECK_STR(wr_value_string(output, "outcome"), "failed");
        CHECK_INT(wr_value_int(output, "exit_code", -1), status);
        CHECK(!wr_value_bool(output, "success", true));
        CHECK_INT(rmdir(directory), 0);
        tear_down(&f);
    }
}

TEST(wrong_inputs_are_named)
{
    static const char *const wrong[][2] = {
        {"{\"test_cases\": [{}]}", "code"},
        {"{\"code\": \"c\"}", "test_cases"},
        {"{\"code\": \"c\", \"test_cases\": []}", "test_cases"},
        {"{\"code\": \"c\", \"test_cases\": [1]}", "test_cases[0]"},
        {"{\"code\": \"c\", \"test_cases\": [{}, {\"expected\": 1}]}", "test_cases[1]"},
        {"{\"code\": \"c\", \"test_cases\": [{\"name\": \"\"}]}", "name"},
        {"{\"code\": \"c\", \"test_cases\": [{\"timeout\": 0}]}", "test_cases[0]"},
        {"{\"code\": \"c\", \"tests\": []}", "tests"},
        {"{\"project\": 1}", "project"},
        {"[]", "no object"},
    };
    struct fixture f = {0};
    struct wr_value *output = NULL;

    set_up(&f, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        CHECK_INT(run(&f, wrong[i][0], NULL, &output), -WR_E_INVALID_ARGUMENT);
        CHECK(strstr(f.err.msg, wrong[i][1]));
    }
    CHECK_INT(fake_driver_calls(f.driver, FAKE_CREATE), 0);
    CHECK(!wr_tester_new(f.client, WR_OPTS(wr_tester_opts, .max_concurrent = 65), &f.err));
    tear_down(&f);
}
