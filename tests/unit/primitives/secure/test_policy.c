#include "base/str.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/secure/policy.h"
#include "support/fake_driver.h"
#include "test.h"

/* What the reader in the sandbox answers. */
struct reader {
    const char *out;
    int status;
    unsigned asked;
};

struct scene {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_policy *policy;
    struct wr_workflow *workflow;
    struct reader reader;
};

static int answer(struct fake_driver *driver, const struct wr_call *call,
                  const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                  struct wr_error *err)
{
    struct reader *reader = data;

    (void)driver;
    (void)call;
    (void)err;
    CHECK_STR(opts->argv[0], "python3");
    CHECK(memmem(opts->input, opts->input_len, "\"code\":", 7) != NULL);
    CHECK(opts->timeout_ms > 0);
    reader->asked++;
    *ret = fake_program_result(reader->status, reader->out, "");
    return 0;
}

static void begin(struct scene *scene, const char *rules)
{
    struct wr_error err = {0};
    wr_auto_value *given = NULL;

    *scene = (struct scene){.driver = fake_driver_new(), .reader.out = "{\"violations\": []}"};
    fake_driver_on_program(scene->driver, answer, &scene->reader);
    scene->client = fake_driver_client(scene->driver);
    scene->workflow = wr_workflow_new(NULL, &err);
    if (rules)
        CHECK_INT(wr_value_parse(rules, strlen(rules), &given, &err), 0);
    scene->policy =
        wr_policy_new(&(struct wr_policy_opts){.rules = given, .client = scene->client}, &err);
    if (!scene->policy)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void end(struct scene *scene)
{
    wr_policy_free(scene->policy);
    CHECK_INT(fake_driver_alive(scene->driver), 0);
    wr_workflow_free(scene->workflow);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

static int check(struct scene *scene, const char *code, const char *language, struct wr_value **ret,
                 struct wr_error *err)
{
    *err = (struct wr_error){0};
    return wr_policy_check(scene->policy, code, language, scene->workflow, ret, err);
}

TEST(code_that_keeps_the_rules)
{
    struct scene scene;
    struct wr_error err;
    wr_auto_value *report = NULL;

    begin(&scene, NULL);
    CHECK_INT(check(&scene, "1", "python", &report, &err), 0);
    CHECK(wr_value_bool(report, "allowed", false));
    CHECK_INT(wr_value_count(wr_value_get(report, "violations")), 0);
    end(&scene);
}

TEST(code_that_does_not)
{
    struct scene scene;
    struct wr_error err;
    wr_auto_value *report = NULL;

    begin(&scene, NULL);
    scene.reader.out = "{\"violations\": [{\"rule\": \"calls\", \"name\": \"eval\", \"line\": 3, "
                       "\"column\": 1, \"text\": \"eval(x)\", \"more\": 1}, {\"rule\": \"calls\", "
                       "\"name\": \"exec\", \"line\": 4, \"column\": 1, \"text\": \"\"}]}";
    CHECK_INT(check(&scene, "1", "python", &report, &err), 0);
    CHECK(!wr_value_bool(report, "allowed", true));
    const struct wr_value *first = wr_value_at(wr_value_get(report, "violations"), 0);
    CHECK_INT(wr_value_count(first), 5);
    CHECK_INT(wr_policy_refusal(report, &err), -WR_E_PERMISSION_DENIED);
    CHECK(strstr(err.msg, "eval in line 3, and 1 more") != NULL);
    end(&scene);
}

/* No answer is ever taken for a yes. */
TEST(a_reader_that_does_not_say)
{
    static const struct reader readers[] = {
        {.out = "{\"violations\": []}", .status = 1},
        {.out = "{\"violations\": []}", .status = 139},
        {.out = ""},
        {.out = "{}"},
        {.out = "[]"},
        {.out = "{\"violations\": 7}"},
        {.out = "{\"violations\": [7]}"},
        {.out = "{\"violations\": [{}]}"},
        {.out = "{\"violations\": []} x"},
        {.out = "{\"error\": \"nested too deeply\"}"},
        {.out = "{\"syntax_error\": {\"name\": \"SyntaxError\", \"value\": \"\"}}"},
        {.out = "{\"syntax_error\": \"x\", \"violations\": []}"},
        {.out = "{\"error\": \"x\", \"violations\": []}"},
        {.out = "{\"violations\": [{\"rule\": \"calls\", \"name\": \"eval\", \"line\": \"3\", "
                "\"column\": 1, \"text\": \"\"}]}"},
    };
    struct scene scene;
    struct wr_error err;
    wr_auto_value *report = NULL;

    begin(&scene, NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(readers); i++) {
        scene.reader = readers[i];
        CHECK_INT(check(&scene, "1", "python", &report, &err), -WR_E_PERMISSION_DENIED);
        CHECK(strstr(err.msg, "not judged") != NULL);
        CHECK(report == NULL);
    }
    end(&scene);
}

TEST(one_sandbox_reads_all)
{
    struct scene scene;
    struct wr_error err;

    begin(&scene, NULL);
    for (int i = 0; i < 5; i++) {
        wr_auto_value *report = NULL;
        CHECK_INT(check(&scene, "1", "python", &report, &err), 0);
    }
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 1);
    end(&scene);
}

TEST(it_has_no_network)
{
    struct scene scene;
    struct wr_error err;
    wr_auto_value *report = NULL, *list = NULL;

    begin(&scene, NULL);
    CHECK_INT(check(&scene, "1", "python", &report, &err), 0);
    CHECK_INT(wr_sandbox_list(scene.client, NULL, 0, NULL, &list, &err), 0);
    wr_auto_value *made =
        fake_driver_created_with(scene.driver, wr_value_string(wr_value_at(list, 0), "sandboxID"));
    CHECK(wr_value_bool(made, "no_internet", false));
    end(&scene);
}

TEST(a_sandbox_that_has_gone_is_replaced)
{
    struct scene scene;
    struct wr_error err;
    wr_auto_value *first = NULL, *second = NULL, *list = NULL;

    begin(&scene, NULL);
    CHECK_INT(check(&scene, "1", "python", &first, &err), 0);
    CHECK_INT(wr_sandbox_list(scene.client, NULL, 0, NULL, &list, &err), 0);
    fake_driver_lose(scene.driver, wr_value_string(wr_value_at(list, 0), "sandboxID"));
    CHECK_INT(check(&scene, "1", "python", &second, &err), 0);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 2);
    end(&scene);
}

TEST(nobody_to_ask)
{
    struct scene scene;
    struct wr_error err;
    wr_auto_value *report = NULL;

    begin(&scene, NULL);
    fake_driver_fail(scene.driver, FAKE_CREATE, 1, 100, WR_E_UNAVAILABLE);
    CHECK_INT(check(&scene, "1", "python", &report, &err), -WR_E_UNAVAILABLE);
    CHECK(report == NULL);
    end(&scene);
}

TEST(other_languages)
{
    struct scene scene;
    struct wr_error err;
    wr_auto_value *bash = NULL, *long_code = NULL, *allowed = NULL;

    begin(&scene, NULL);
    CHECK_INT(check(&scene, "ls", "bash", &bash, &err), 0);
    CHECK(!wr_value_bool(bash, "allowed", true));
    end(&scene);
    begin(&scene, "{\"languages\": [\"bash\"], \"max_code_bytes\": 3}");
    CHECK_INT(check(&scene, "lss", "bash", &allowed, &err), 0);
    CHECK(wr_value_bool(allowed, "allowed", false));
    CHECK_INT(check(&scene, "ls -l", "bash", &long_code, &err), 0);
    CHECK(!wr_value_bool(long_code, "allowed", true));
    CHECK_INT(scene.reader.asked, 0);
    end(&scene);
}

TEST(free_accepts_null)
{
    CHECK(wr_policy_free(NULL) == NULL);
}
