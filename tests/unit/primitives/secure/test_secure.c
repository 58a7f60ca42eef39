#include "audit_scene.h"
#include "base/alloc.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "support/fake_driver.h"
#include "support/fake_primitive.h"
#include "test.h"
#include "warren/secure.h"

#define KEY "AKIAIOSFODNN7EXAMPLE"
#define OUTPUT \
    "{\"success\": true, \"stdout\": \"" KEY "\", \"stderr\": \"\", \"sandbox_id\": \"i1\"}"

struct scene {
    struct fake_primitive inner;
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_primitive *secure;
    struct wr_workflow *workflow;
    struct audit_scene audit;
    const char *verdict; /* of the reader of code */
};

static int judge(struct fake_driver *driver, const struct wr_call *call,
                 const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                 struct wr_error *err)
{
    (void)driver;
    (void)call;
    (void)opts;
    (void)err;
    *ret = fake_program_result(0, *(const char **)data, "");
    return 0;
}

/* `opts` without clients and paths. */
static void begin(struct scene *scene, struct wr_secure_opts opts, bool audit)
{
    struct wr_error err = {0};

    scene->verdict = "{\"violations\": []}";
    scene->driver = fake_driver_new();
    fake_driver_on_program(scene->driver, judge, &scene->verdict);
    scene->client = fake_driver_client(scene->driver);
    scene->workflow = wr_workflow_new(WR_OPTS(wr_workflow_opts, .correlation_id = "corr"), &err);
    audit_scene_begin(&scene->audit);
    opts.struct_size = sizeof opts;
    opts.checker_client = scene->client;
    opts.audit_path = audit ? scene->audit.path : NULL;
    scene->secure = wr_secure_new(fake_primitive_new(&scene->inner), &opts, &err);
    if (!scene->secure)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void end(struct scene *scene)
{
    wr_primitive_free(scene->secure);
    CHECK_INT(fake_driver_alive(scene->driver), 0);
    CHECK_INT(fake_primitive_frees(&scene->inner), 1);
    fake_primitive_done(&scene->inner);
    wr_workflow_free(scene->workflow);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
    audit_scene_end(&scene->audit);
}

static int run(struct scene *scene, const char *json, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *input = NULL;

    *err = (struct wr_error){0};
    CHECK_INT(wr_value_parse(json, strlen(json), &input, err), 0);
    return wr_primitive_execute(scene->secure, input, scene->workflow, ret, err);
}

/* The records of the log, whose chain holds. */
static json_t *records(struct scene *scene)
{
    struct wr_error err;
    wr_auto_buf text = WR_BUF(1 << 20);
    json_t *all = json_array();

    CHECK(audit_scene_verify(&scene->audit, NULL, &err) >= 0);
    audit_scene_read(&scene->audit, &text);
    char *at = wr_buf_cstr(&text);
    for (char *line; (line = strsep(&at, "\n")) && *line;)
        CHECK_INT(json_array_append_new(all, json_loads(line, 0, NULL)), 0);
    return all;
}

static const char *text_of(const json_t *records, size_t index, const char *name)
{
    const char *text = json_string_value(json_object_get(json_array_get(records, index), name));

    return text ? text : "(none)";
}

static long long stat_of(struct scene *scene, const char *name)
{
    wr_auto_value *stats = wr_primitive_stats(scene->secure);

    return wr_value_int(stats, name, -1);
}

TEST(code_that_is_allowed)
{
    struct scene scene = {.inner = {FAKE_STEPS({.output = OUTPUT})}};
    struct wr_error err;
    wr_auto_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){0}, true);
    CHECK_INT(run(&scene, "{\"code\": \"print(1)\"}", &output, &err), 0);
    CHECK_STR(wr_value_string(output, "stdout"), "[REDACTED]");
    CHECK_INT(wr_value_int(output, "redactions", -1), 1);
    /* What the rules judged is what runs. */
    CHECK_STR(fake_primitive_last_input(&scene.inner),
              "{\"code\":\"print(1)\",\"language\":\"python\"}");
    wr_auto_json *log = records(&scene);
    CHECK_INT(json_array_size(log), 2);
    CHECK_STR(text_of(log, 0, "event"), "start");
    CHECK_STR(text_of(log, 0, "correlation_id"), "corr");
    CHECK_STR(text_of(log, 0, "language"), "python");
    CHECK_STR(text_of(log, 0, "code_sha256"),
              "d287bb7f9d15abdc5b6e98536263815744b6ef21c8f3c839fc434ca70d8efe99");
    CHECK_STR(text_of(log, 0, "code"), "(none)");
    CHECK_STR(text_of(log, 1, "event"), "end");
    CHECK_STR(text_of(log, 1, "outcome"), "success");
    CHECK_STR(text_of(log, 1, "sandbox_id"), "i1");
    CHECK_STR(text_of(log, 1, "execution"), text_of(log, 0, "execution"));
    CHECK_INT(json_integer_value(json_object_get(json_array_get(log, 1), "redactions")), 1);
    CHECK_INT(stat_of(&scene, "allowed"), 1);
    CHECK_INT(stat_of(&scene, "redactions"), 1);
    end(&scene);
}

static const char refusing[] =
    "{\"violations\": [{\"rule\": \"calls\", \"name\": \"eval\", \"line\": "
    "1, \"column\": 1, \"text\": \"eval(x)\"}]}";

TEST(code_that_is_refused)
{
    struct scene scene = {0};
    struct wr_error err;
    struct wr_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){0}, true);
    scene.verdict = refusing;
    CHECK_INT(run(&scene, "{\"code\": \"eval(x)\"}", &output, &err), -WR_E_PERMISSION_DENIED);
    CHECK(output == NULL);
    CHECK_INT(fake_primitive_calls(&scene.inner), 0);
    wr_auto_value *report = wr_workflow_get(scene.workflow, "policy_report");
    CHECK(!wr_value_bool(report, "allowed", true));
    CHECK_INT(wr_value_count(wr_value_get(report, "violations")), 1);
    wr_auto_json *log = records(&scene);
    CHECK_INT(json_array_size(log), 1);
    CHECK_STR(text_of(log, 0, "event"), "refused");
    CHECK_STR(text_of(log, 0, "error_code"), "permission_denied");
    const json_t *violation =
        json_array_get(json_object_get(json_array_get(log, 0), "violations"), 0);
    CHECK_STR(json_string_value(json_object_get(violation, "name")), "eval");
    CHECK(json_object_get(violation, "text") == NULL);
    CHECK_INT(stat_of(&scene, "refused"), 1);
    CHECK_INT(stat_of(&scene, "allowed"), 0);
    end(&scene);
}

#define UNREADABLE                                                                         \
    "{\"syntax_error\": {\"name\": \"SyntaxError\", \"value\": \"invalid syntax (<cell>, " \
    "line 1)\", \"traceback\": \"x = " KEY "\\nSyntaxError: invalid syntax\"}}"

/* It would not run anywhere: that is a result, and no refusal. */
TEST(code_that_does_not_parse)
{
    struct scene scene = {0};
    struct wr_error err;
    wr_auto_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){0}, true);
    scene.verdict = UNREADABLE;
    CHECK_INT(run(&scene, "{\"code\": \"x =\"}", &output, &err), 0);
    CHECK_INT(fake_primitive_calls(&scene.inner), 0);
    CHECK(!wr_value_bool(output, "success", true));
    CHECK_STR(wr_value_string(output, "error"), "SyntaxError: invalid syntax");
    CHECK_STR(wr_value_string(output, "error_name"), "SyntaxError");
    CHECK_STR(wr_value_string(output, "traceback"), "x = [REDACTED]\nSyntaxError: invalid syntax");
    CHECK_STR(wr_value_string(output, "stdout"), "");
    CHECK_STR(wr_value_string(output, "language"), "python");
    CHECK(wr_value_get(output, "results") && wr_value_get(output, "execution_time_ms"));
    CHECK_INT(wr_value_int(output, "redactions", -1), 1);
    wr_auto_value *report = wr_workflow_get(scene.workflow, "policy_report");
    CHECK(!wr_value_bool(report, "allowed", true));
    CHECK_INT(wr_value_count(wr_value_get(report, "violations")), 0);
    CHECK_STR(wr_value_string(wr_value_get(report, "syntax_error"), "name"), "SyntaxError");
    wr_auto_json *log = records(&scene);
    CHECK_INT(json_array_size(log), 2);
    CHECK_STR(text_of(log, 1, "outcome"), "code_failed");
    CHECK_STR(text_of(log, 1, "error_name"), "SyntaxError");
    CHECK_INT(stat_of(&scene, "syntax_errors"), 1);
    CHECK_INT(stat_of(&scene, "allowed"), 0);
    CHECK_INT(stat_of(&scene, "refused"), 0);
    end(&scene);
}

/* Who only wants a report gets the executor's own answer. */
TEST(a_report_of_code_that_does_not_parse)
{
    struct scene scene = {0};
    struct wr_error err;
    wr_auto_value *output = NULL, *policy = NULL;
    const char *rules = "{\"calls\": {\"deny\": [\"eval\"]}, \"report_only\": true}";

    CHECK_INT(wr_value_parse(rules, strlen(rules), &policy, &err), 0);
    begin(&scene, (struct wr_secure_opts){.policy = policy}, false);
    scene.verdict = UNREADABLE;
    CHECK_INT(run(&scene, "{\"code\": \"x =\"}", &output, &err), 0);
    CHECK_INT(fake_primitive_calls(&scene.inner), 1);
    end(&scene);
}

/* A name of many bytes is cut in the message, between two characters or not. */
TEST(a_refusal_with_a_long_name)
{
    struct scene scene = {0};
    struct wr_error err;
    struct wr_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){0}, true);
    scene.verdict =
        "{\"violations\": [{\"rule\": \"imports\", \"name\": \"aéééééééééééééééééééééééééééééééééééé\", "
        "\"line\": 1, \"column\": 1, \"text\": \"\"}]}";
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &output, &err), -WR_E_PERMISSION_DENIED);
    wr_auto_json *log = records(&scene);
    CHECK_STR(text_of(log, 0, "error_code"), "permission_denied");
    end(&scene);
}

TEST(a_report_only)
{
    struct scene scene = {0};
    struct wr_error err;
    wr_auto_value *output = NULL, *policy = NULL;
    const char *rules = "{\"calls\": {\"deny\": [\"eval\"]}, \"report_only\": true}";

    CHECK_INT(wr_value_parse(rules, strlen(rules), &policy, &err), 0);
    begin(&scene, (struct wr_secure_opts){.policy = policy}, false);
    scene.verdict = refusing;
    CHECK_INT(run(&scene, "{\"code\": \"eval(x)\"}", &output, &err), 0);
    wr_auto_value *report = wr_workflow_get(scene.workflow, "policy_report");
    CHECK(!wr_value_bool(report, "allowed", true));
    CHECK_INT(fake_primitive_calls(&scene.inner), 1);
    end(&scene);
}

TEST(values_of_env)
{
    struct scene scene = {
        .inner = {FAKE_STEPS({.output = "{\"stdout\": \"blue-42 green-43 open\"}"})}};
    struct wr_error err;
    wr_auto_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){.no_policy = true}, false);
    CHECK_INT(run(&scene,
                  "{\"code\": \"1\", \"env\": {\"MY_TOKEN\": \"blue-42\", \"DOOR\": \"open\"}, "
                  "\"env_vars\": {\"OTHER_KEY\": \"green-43\"}}",
                  &output, &err),
              0);
    CHECK_STR(wr_value_string(output, "stdout"), "[REDACTED] [REDACTED] open");
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 0);
    end(&scene);
}

TEST(errors_are_redacted_and_written_down)
{
    struct scene scene = {
        .inner = {FAKE_STEPS({.code = WR_E_UNAVAILABLE, .msg = "lost with " KEY})}};
    struct wr_error err;
    struct wr_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){.no_policy = true}, true);
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &output, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "lost with [REDACTED]");
    wr_auto_json *log = records(&scene);
    CHECK_STR(text_of(log, 1, "outcome"), "error");
    CHECK_STR(text_of(log, 1, "error_code"), "unavailable");
    CHECK_STR(text_of(log, 1, "error"), "lost with [REDACTED]");
    end(&scene);
}

TEST(the_code_in_the_log)
{
    struct scene scene = {0};
    struct wr_error err;
    wr_auto_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){.no_policy = true, .audit_code = true}, true);
    CHECK_INT(run(&scene, "{\"code\": \"k = '" KEY "'\"}", &output, &err), 0);
    wr_auto_json *log = records(&scene);
    CHECK_STR(text_of(log, 0, "code"), "k = '[REDACTED]'");
    end(&scene);
}

/* What cannot be written down does not run. */
TEST(a_log_that_is_gone)
{
    struct scene scene = {0};
    struct wr_error err;
    struct wr_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){.no_policy = true}, true);
    CHECK_INT(unlink(scene.audit.path), 0);
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &output, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(fake_primitive_calls(&scene.inner), 0);
    end(&scene);
}

TEST(not_too_often)
{
    struct scene scene = {0};
    struct wr_error err;
    wr_auto_value *first = NULL;
    struct wr_value *second = NULL;

    begin(&scene, (struct wr_secure_opts){.no_policy = true, .max_per_second = 0.001}, true);
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &first, &err), 0);
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &second, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK(err.retry_after_ms > 0);
    CHECK_INT(fake_primitive_calls(&scene.inner), 1);
    CHECK_INT(stat_of(&scene, "limited"), 1);
    CHECK_INT(stat_of(&scene, "refused"), 0);
    end(&scene);
}

TEST(without_redaction)
{
    struct scene scene = {.inner = {FAKE_STEPS({.output = OUTPUT})}};
    struct wr_error err;
    wr_auto_value *output = NULL;

    begin(&scene, (struct wr_secure_opts){.no_policy = true, .no_redaction = true}, false);
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &output, &err), 0);
    CHECK_STR(wr_value_string(output, "stdout"), KEY);
    end(&scene);
}

static int hear(const struct wr_code_event *event, void *data)
{
    struct wr_buf *heard = data;

    return wr_buf_append(heard, event->text, event->text_len);
}

TEST(who_listens_hears_it_redacted)
{
    struct scene scene = {.inner = {FAKE_STEPS({.says = "now " KEY, .output = OUTPUT})}};
    struct wr_error err = {0};
    wr_auto_value *output = NULL;
    wr_auto_buf heard = WR_BUF(4096);

    begin(&scene, (struct wr_secure_opts){.no_policy = true}, false);
    wr_workflow_free(scene.workflow);
    scene.workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .on_event = hear, .on_event_data = &heard), &err);
    CHECK_INT(run(&scene, "{\"code\": \"1\"}", &output, &err), 0);
    CHECK_STR(wr_buf_cstr(&heard), "now [REDACTED]");
    end(&scene);
}

TEST(inputs_that_are_wrong)
{
    static const char *const inputs[] = {"[]", "{}", "{\"code\": 7}", "{\"code\": \"a\\u0000b\"}",
                                         "{\"code\": \"1\", \"language\": 7}"};
    struct scene scene = {0};
    struct wr_value *output = NULL;
    struct wr_error err;

    begin(&scene, (struct wr_secure_opts){0}, false);
    for (size_t i = 0; i < WR_ARRAY_SIZE(inputs); i++)
        CHECK_INT(run(&scene, inputs[i], &output, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_primitive_calls(&scene.inner), 0);
    end(&scene);
}

TEST(options_that_are_wrong)
{
    static const char *const patterns[] = {"("};
    wr_auto_value *policy = wr_value_array();
    struct wr_error err;
    const struct wr_secure_opts wrong[] = {
        {.struct_size = sizeof *wrong, .policy = policy},
        {.struct_size = sizeof *wrong, .no_policy = true, .max_per_second = -1},
        {.struct_size = sizeof *wrong,
         .no_policy = true,
         .redactor = WR_OPTS(wr_redactor_opts, .patterns = patterns, .pattern_count = 1)},
        {.struct_size = 0},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(wrong); i++) {
        struct fake_primitive inner = {0};
        err = (struct wr_error){0};
        CHECK(wr_secure_new(fake_primitive_new(&inner), &wrong[i], &err) == NULL);
        CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
        CHECK_INT(fake_primitive_frees(&inner), 1);
        fake_primitive_done(&inner);
    }
    err = (struct wr_error){0};
    CHECK(wr_secure_new(NULL, NULL, &err) == NULL);
    CHECK_INT(err.code, 0);
}

/* A cache around it must not give what other rules let through. */
TEST(settings_are_part_of_the_scope)
{
    struct fake_primitive inners[2] = {{0}, {0}};
    struct wr_error err = {0};
    wr_auto_primitive *one = wr_secure_new(fake_primitive_new(&inners[0]),
                                           WR_OPTS(wr_secure_opts, .no_policy = true), &err);
    wr_auto_primitive *other =
        wr_secure_new(fake_primitive_new(&inners[1]),
                      WR_OPTS(wr_secure_opts, .no_policy = true, .no_redaction = true), &err);

    CHECK(one && other);
    CHECK(!wr_streq(wr_primitive_scope(one), wr_primitive_scope(other)));
}
