#include <pthread.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/core/workflow.h"
#include "support/fake_driver_internal.h"
#include "test.h"
#include "warren/orchestrator.h"

struct scene {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_primitive *orchestrator;
    struct wr_workflow *workflow;
    enum fake_op held; /* for cancel_when_held() */
    unsigned held_count;
};

/* The code is what it prints; "raise" fails; "write NAME TEXT" makes a file on the board; "list"
 * prints what is there. */
static int answer(struct fake_driver *driver, const struct wr_call *call,
                  const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                  struct wr_error *err)
{
    char name[64], text[64], path[80];

    (void)data;
    if (wr_streq(opts->code, "raise"))
        *ret = fake_code_result("", "", NULL, "ValueError", "as asked");
    else if (sscanf(opts->code, "write %60s %60s", name, text) == 2) {
        CHECK(wr_strformat(path, sizeof path, "/board/%s", name));
        const struct wr_file file = {.path = path, .bytes = text, .len = strlen(text)};
        int r = driver->ops.file_write_all(driver, call, &file, 1, err);
        if (r < 0)
            return r;
        *ret = fake_code_result("", "", NULL, NULL, NULL);
    } else if (sscanf(opts->code, "read %60s", name) == 1) {
        CHECK(wr_strformat(path, sizeof path, "/board/%s", name));
        wr_auto_free char *found = fake_driver_file(driver, call->sandbox->id, path);
        *ret = fake_code_result(found ? found : "(nothing)", "", NULL, NULL, NULL);
    } else if (wr_streq(opts->code, "env")) {
        wr_auto_json *names = json_object();
        for (size_t i = 0; i < opts->env_count; i++) {
            const char *equals = strchr(opts->envs[i], '=');
            wr_auto_free char *key = wr_strndup(opts->envs[i], (size_t)(equals - opts->envs[i]));
            json_object_set_new(names, key, json_string(equals + 1));
        }
        wr_auto_free char *all = json_dumps(names, JSON_COMPACT | JSON_SORT_KEYS);
        *ret = fake_code_result(all, "", NULL, NULL, NULL);
    } else {
        *ret = fake_code_result(opts->code, "", NULL, NULL, NULL);
    }
    return 0;
}

static void begin(struct scene *scene, const struct wr_orchestrator_opts *opts)
{
    struct wr_error err = {0};

    scene->driver = fake_driver_new();
    fake_driver_on_code(scene->driver, answer, NULL);
    scene->client = fake_driver_client(scene->driver);
    scene->orchestrator = wr_orchestrator_new(scene->client, opts, &err);
    scene->workflow = wr_workflow_new(NULL, &err);
    if (!scene->orchestrator)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

/* Nothing lives on. */
static void end(struct scene *scene)
{
    CHECK_INT(fake_driver_alive(scene->driver), 0);
    CHECK_INT(fake_driver_volumes(scene->driver), 0);
    wr_primitive_free(scene->orchestrator);
    wr_workflow_free(scene->workflow);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

static int run(struct scene *scene, const char *tasks, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_free char *text = wr_asprintf("{\"tasks\": %s}", tasks);
    wr_auto_value *input = NULL;

    *err = (struct wr_error){0};
    CHECK_INT(wr_value_parse(text, strlen(text), &input, err), 0);
    return wr_primitive_execute(scene->orchestrator, input, scene->workflow, ret, err);
}

static struct wr_value *run_well(struct scene *scene, const char *tasks)
{
    struct wr_value *output = NULL;
    struct wr_error err;

    if (run(scene, tasks, &output, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return output;
}

static const struct wr_value *result_at(const struct wr_value *output, size_t index)
{
    return wr_value_at(wr_value_get(output, "results"), index);
}

/* `count` tasks that print their number. */
static char *many(unsigned count)
{
    wr_auto_json *tasks = json_array();

    for (unsigned i = 0; i < count; i++)
        json_array_append_new(
            tasks, json_pack("{s:s++}", "code", "task ", (char[]){(char)('a' + i % 26), 0}, ""));
    return json_dumps(tasks, 0);
}

TEST(more_tasks_than_sandboxes_at_once)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 3));
    fake_driver_max_alive(scene.driver, 3);
    wr_auto_free char *tasks = many(20);
    wr_auto_value *output = run_well(&scene, tasks);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 20);
    CHECK_INT(wr_value_count(wr_value_get(output, "results")), 20);
    for (size_t i = 0; i < 20; i++) {
        char expected[16], id[16];
        snprintf(expected, sizeof expected, "task %c", (char)('a' + i % 26));
        snprintf(id, sizeof id, "%zu", i);
        CHECK_STR(wr_value_string(result_at(output, i), "stdout"), expected);
        CHECK_INT(wr_value_int(result_at(output, i), "index", -1), (long long)i);
        CHECK_STR(wr_value_string(result_at(output, i), "id"), id);
        CHECK(wr_value_bool(result_at(output, i), "success", false));
    }
    CHECK_INT(wr_value_int(output, "succeeded", -1), 20);
    CHECK_INT(wr_value_int(output, "failed", -1), 0);
    CHECK_INT(wr_value_int(output, "skipped", -1), 0);
    CHECK(wr_value_int(output, "max_running", -1) <= 3);
    CHECK(fake_driver_peak(scene.driver, FAKE_CODE) <= 3);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 20);
    end(&scene);
}

TEST(no_tasks)
{
    struct scene scene;

    begin(&scene, NULL);
    wr_auto_value *output = run_well(&scene, "[]");
    CHECK_INT(wr_value_count(wr_value_get(output, "results")), 0);
    CHECK_INT(wr_value_int(output, "max_running", -1), 0);
    end(&scene);
}

TEST(a_failure_in_the_middle_is_a_result)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 1));
    fake_driver_fail(scene.driver, FAKE_CREATE, 3, 1, WR_E_RESOURCE_EXHAUSTED);
    wr_auto_value *output = run_well(
        &scene, "[{\"code\": \"1\"}, {\"code\": \"raise\", \"id\": \"bad\"}, {\"code\": \"3\"}, "
                "{\"nonsense\": 4}, {\"code\": \"5\"}]");
    CHECK_INT(wr_value_int(output, "succeeded", -1), 2);
    CHECK_INT(wr_value_int(output, "failed", -1), 3);
    CHECK_STR(wr_value_string(result_at(output, 1), "id"), "bad");
    CHECK_STR(wr_value_string(result_at(output, 1), "error"), "ValueError: as asked");
    CHECK_STR(wr_value_string(result_at(output, 2), "error_code"), "resource_exhausted");
    CHECK_STR(wr_value_string(result_at(output, 3), "error_code"), "invalid_argument");
    CHECK_STR(wr_value_string(result_at(output, 4), "stdout"), "5");
    end(&scene);
}

TEST(the_first_failure_stops_the_rest)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 1, .stop_on_failure = true));
    wr_auto_value *output = run_well(
        &scene,
        "[{\"code\": \"1\"}, {\"code\": \"raise\"}, {\"code\": \"3\"}, {\"code\": \"4\", \"id\": \"x\"}]");
    CHECK_INT(wr_value_int(output, "succeeded", -1), 1);
    CHECK_INT(wr_value_int(output, "failed", -1), 1);
    CHECK_INT(wr_value_int(output, "skipped", -1), 2);
    CHECK_STR(wr_value_string(result_at(output, 3), "error_code"), "canceled");
    CHECK_STR(wr_value_string(result_at(output, 3), "id"), "x");
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 2);
    end(&scene);
}

TEST(the_first_failure_cancels_those_that_run)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 3, .stop_on_failure = true));
    /* Two get into their sandboxes and are held there, the third gets none. */
    fake_driver_hold(scene.driver, FAKE_CODE);
    fake_driver_fail(scene.driver, FAKE_CREATE, 3, 1, WR_E_RESOURCE_EXHAUSTED);
    wr_auto_value *output =
        run_well(&scene, "[{\"code\": \"1\"}, {\"code\": \"2\"}, {\"code\": \"3\"}]");
    CHECK_INT(wr_value_int(output, "succeeded", -1), 0);
    CHECK_INT(wr_value_int(output, "failed", -1) + wr_value_int(output, "skipped", -1), 3);
    end(&scene);
}

static void *cancel_when_held(void *data)
{
    struct scene *scene = data;

    fake_driver_wait_held(scene->driver, scene->held, scene->held_count);
    wr_workflow_cancel(scene->workflow);
    return NULL;
}

TEST(a_cancel_cleans_up)
{
    struct scene scene;
    struct wr_value *output = NULL;
    struct wr_error err;
    pthread_t thread;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 2));
    scene.held = FAKE_CODE;
    scene.held_count = 2;
    fake_driver_hold(scene.driver, FAKE_CODE);
    CHECK_INT(pthread_create(&thread, NULL, cancel_when_held, &scene), 0);
    wr_auto_free char *tasks = many(6);
    CHECK_INT(run(&scene, tasks, &output, &err), -WR_E_CANCELED);
    CHECK(output == NULL);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 2);
    end(&scene);
}

static const char *const board_tasks =
    "[{\"code\": \"write a one\"}, {\"code\": \"write b two\"}, {\"code\": \"read a\"}, "
    "{\"code\": \"read b\"}, {\"code\": \"3\", \"language\": \"bash\"}]";

/* Whichever call fails, and in whatever way, nothing stays. */
TEST(a_failure_at_every_step)
{
    static const enum fake_op ops[] = {FAKE_CREATE,     FAKE_CODE,      FAKE_PROGRAM,
                                       FAKE_FILE_WRITE, FAKE_FILE_READ, FAKE_FILE_OTHER,
                                       FAKE_KILL,       FAKE_VOLUME};
    static const enum wr_code codes[] = {WR_E_UNAVAILABLE, WR_E_ABORTED, WR_E_DEADLINE_EXCEEDED};

    for (int share = WR_SHARE_NONE; share <= WR_SHARE_BLACKBOARD; share++)
        for (size_t op = 0; op < WR_ARRAY_SIZE(ops); op++)
            for (unsigned number = 1; number <= 4; number++) {
                struct scene scene;
                struct wr_value *output = NULL;
                struct wr_error err;
                begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 2,
                                      .share = (enum wr_share)share));
                fake_driver_fail(scene.driver, ops[op], number, 1,
                                 codes[(op + number) % WR_ARRAY_SIZE(codes)]);
                int r = run(&scene, board_tasks, &output, &err);
                /* Only without a volume there is no result at all. */
                CHECK(r == 0 || (ops[op] == FAKE_VOLUME && number == 1));
                wr_value_free(output);
                if (ops[op] == FAKE_VOLUME && number == 2 && share == WR_SHARE_VOLUME)
                    scene.driver->volumes = 0; /* removing it failed for good: it was told */
                end(&scene);
            }
}

TEST(a_cancel_at_every_step)
{
    static const enum fake_op ops[] = {FAKE_CREATE,     FAKE_CODE,      FAKE_PROGRAM,
                                       FAKE_FILE_WRITE, FAKE_FILE_READ, FAKE_FILE_OTHER};

    for (size_t op = 0; op < WR_ARRAY_SIZE(ops); op++) {
        struct scene scene;
        struct wr_value *output = NULL;
        struct wr_error err;
        pthread_t thread;
        begin(&scene,
              WR_OPTS(wr_orchestrator_opts, .max_concurrent = 2, .share = WR_SHARE_BLACKBOARD));
        scene.held = ops[op];
        scene.held_count = 1;
        fake_driver_hold(scene.driver, ops[op]);
        CHECK_INT(pthread_create(&thread, NULL, cancel_when_held, &scene), 0);
        CHECK_INT(run(&scene, board_tasks, &output, &err), -WR_E_CANCELED);
        CHECK(output == NULL);
        CHECK_INT(pthread_join(thread, NULL), 0);
        end(&scene);
    }
}

TEST(the_blackboard_goes_from_task_to_task)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 1, .share = WR_SHARE_BLACKBOARD));
    wr_auto_value *output = run_well(&scene, board_tasks);
    CHECK_INT(wr_value_int(output, "succeeded", -1), 5);
    CHECK_STR(wr_value_string(result_at(output, 2), "stdout"), "one");
    CHECK_STR(wr_value_string(result_at(output, 3), "stdout"), "two");
    end(&scene);
}

TEST(a_task_whose_files_cannot_be_brought_back_has_failed)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 1, .share = WR_SHARE_BLACKBOARD,
                          .max_blackboard_bytes = 2));
    wr_auto_value *output =
        run_well(&scene, "[{\"code\": \"write a one\"}, {\"code\": \"write b x\"}]");
    CHECK_STR(wr_value_string(result_at(output, 0), "error_code"), "resource_exhausted");
    CHECK(wr_value_bool(result_at(output, 1), "success", false));
    end(&scene);
}

TEST(what_a_task_finds_in_its_environment)
{
    struct scene scene;

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .share = WR_SHARE_VOLUME, .share_path = "/s"));
    wr_auto_value *output = run_well(
        &scene,
        "[{\"code\": \"env\", \"id\": \"me\", \"env\": {\"A\": \"b\", \"PYTHONPATH\": \"/x\", "
        "\"WARREN_TASK_ID\": \"forged\"}}]");
    const char *env = wr_value_string(result_at(output, 0), "stdout");
    static const char *const parts[] = {"\"A\":\"b\"",
                                        "\"WARREN_TASK_ID\":\"me\"",
                                        "\"WARREN_TASK_INDEX\":\"0\"",
                                        "\"WARREN_TASK_COUNT\":\"1\"",
                                        "\"WARREN_BOARD\":\"/s\"",
                                        "\"WARREN_BOARD_SHARED\":\"1\"",
                                        "\"PYTHONPATH\":\"/x:/tmp/.warren-board\""};
    for (size_t i = 0; i < WR_ARRAY_SIZE(parts); i++)
        if (!strstr(env, parts[i]))
            wr_test_fail(__FILE__, __LINE__, "%s is not in %s", parts[i], env);
    end(&scene);
}

struct heard {
    atomic_uint now, count;
};

static void hear(size_t index, const struct wr_value *result, void *data)
{
    struct heard *heard = data;

    CHECK_INT(atomic_fetch_add(&heard->now, 1), 0);
    CHECK_INT(wr_value_int(result, "index", -1), (long long)index);
    atomic_fetch_add(&heard->count, 1);
    atomic_fetch_sub(&heard->now, 1);
}

TEST(results_are_told_one_at_a_time)
{
    struct scene scene;
    struct heard heard = {0};

    begin(&scene, WR_OPTS(wr_orchestrator_opts, .max_concurrent = 8, .on_result = hear,
                          .on_result_data = &heard));
    wr_auto_free char *tasks = many(40);
    wr_auto_value *output = run_well(&scene, tasks);
    CHECK_INT(atomic_load(&heard.count), 40);
    wr_auto_value *stats = wr_primitive_stats(scene.orchestrator);
    CHECK_INT(wr_value_int(stats, "succeeded", -1), 40);
    end(&scene);
}

TEST(sandboxes_of_the_callers_supply)
{
    struct scene scene;
    struct wr_error err = {0};

    begin(&scene, NULL);
    wr_primitive_free(scene.orchestrator);
    struct wr_supply *supply = wr_supply_session(scene.client, NULL, &err);
    scene.orchestrator = wr_orchestrator_new(
        NULL, WR_OPTS(wr_orchestrator_opts, .supply = supply, .max_concurrent = 2), &err);
    CHECK(scene.orchestrator != NULL);
    wr_auto_free char *tasks = many(6);
    wr_auto_value *output = run_well(&scene, tasks);
    CHECK_INT(wr_value_int(output, "succeeded", -1), 6);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 1);
    CHECK_INT(fake_driver_alive(scene.driver), 1);
    wr_supply_free(supply);
    wr_primitive_free(scene.orchestrator);
    scene.orchestrator = NULL;
    end(&scene);
}

TEST(settings_are_part_of_the_scope)
{
    struct scene scene;
    struct wr_error err = {0};

    begin(&scene, NULL);
    struct wr_primitive *same = wr_orchestrator_new(scene.client, NULL, &err);
    struct wr_primitive *other = wr_orchestrator_new(
        scene.client, WR_OPTS(wr_orchestrator_opts, .task_timeout_ms = 1000), &err);
    const struct wr_orchestrator_opts *board =
        WR_OPTS(wr_orchestrator_opts, .share = WR_SHARE_BLACKBOARD, .blackboard_dir = "/tmp");
    struct wr_primitive *first = wr_orchestrator_new(scene.client, board, &err);
    struct wr_primitive *second = wr_orchestrator_new(scene.client, board, &err);
    CHECK(same && other && first && second);
    CHECK_STR(wr_primitive_scope(scene.orchestrator), wr_primitive_scope(same));
    CHECK(!wr_streq(wr_primitive_scope(same), wr_primitive_scope(other)));
    CHECK(!wr_streq(wr_primitive_scope(first), wr_primitive_scope(second)));
    wr_primitive_free(same);
    wr_primitive_free(other);
    wr_primitive_free(first);
    wr_primitive_free(second);
    end(&scene);
}

TEST(inputs_that_are_wrong)
{
    static const char *const inputs[] = {
        "{}", "7", "[7]", "[{\"code\": \"1\", \"id\": 7}]", "[{\"id\": \"\"}]", "[{\"env\": 7}]"};
    struct scene scene;
    struct wr_value *output = NULL;
    struct wr_error err;

    begin(&scene, NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(inputs); i++)
        CHECK_INT(run(&scene, inputs[i], &output, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CREATE), 0);
    end(&scene);
}

TEST(options_that_are_wrong)
{
    struct fake_driver *driver = fake_driver_new();
    struct wr_client *client = fake_driver_client(driver);
    struct wr_error err = {0};
    struct wr_supply *supply = wr_supply_ephemeral(client, NULL, &err);
    const struct wr_orchestrator_opts wrong[] = {
        {.struct_size = sizeof *wrong, .max_concurrent = 1001},
        {.struct_size = sizeof *wrong, .share = (enum wr_share)7},
        {.struct_size = sizeof *wrong, .share_path = "board"},
        {.struct_size = sizeof *wrong, .share = WR_SHARE_VOLUME, .supply = supply},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(wrong); i++) {
        err = (struct wr_error){0};
        CHECK(wr_orchestrator_new(client, &wrong[i], &err) == NULL);
        CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    }
    wr_supply_free(supply);
    wr_client_free(client);
    fake_driver_free(driver);
}
