/* The public functions over a driver in memory: what they check, and what they pass on. */
#include "support/fake_driver.h"
#include "test.h"

struct scene {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_sandbox *sandbox;
    struct wr_error err;
};

static void begin(struct scene *scene)
{
    *scene = (struct scene){.driver = fake_driver_new()};
    scene->client = fake_driver_client(scene->driver);
    CHECK_INT(wr_sandbox_create(scene->client, NULL, NULL, &scene->sandbox, &scene->err), 0);
}

static void end(struct scene *scene)
{
    wr_sandbox_free(scene->sandbox);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

TEST(sandbox_defaults)
{
    struct scene scene;

    begin(&scene);
    struct wr_value *with = fake_driver_created_with(scene.driver, wr_sandbox_id(scene.sandbox));
    CHECK_STR(wr_value_string(with, "template"), "code-interpreter-v1");
    CHECK_INT(wr_value_int(with, "timeout_s", 0), 300);
    wr_value_free(with);
    CHECK_STR(wr_client_name(wr_sandbox_client(scene.sandbox)), "fake");
    end(&scene);
}

TEST(sandbox_outlives_the_clients_holder)
{
    struct scene scene;
    struct wr_sandbox *again = NULL;

    begin(&scene);
    wr_client_free(scene.client);
    again = wr_sandbox_ref(scene.sandbox);
    wr_sandbox_free(scene.sandbox);
    CHECK_INT(wr_sandbox_kill(again, NULL, &scene.err), 0);
    CHECK_INT(fake_driver_alive(scene.driver), 0);
    wr_sandbox_free(again);
    fake_driver_free(scene.driver);
}

static int look_at_code(struct fake_driver *driver, const struct wr_call *call,
                        const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                        struct wr_error *err)
{
    (void)driver;
    (void)data;
    (void)err;
    CHECK_STR(opts->language, "python");
    CHECK_INT(opts->max_output, 16 << 20);
    CHECK_INT(call->wait.timeout_ms, opts->timeout_ms + WR_REQUEST_TIMEOUT_MS);
    CHECK_INT(fake_code_emit(opts, WR_CODE_STDOUT, "x"), 0);
    *ret = fake_code_result("x", NULL, "1", NULL, NULL);
    return 0;
}

TEST(code_defaults)
{
    struct wr_code_opts opts = {.struct_size = sizeof opts, .code = "1", .timeout_ms = 5};
    struct wr_value *result = NULL;
    struct scene scene;

    begin(&scene);
    fake_driver_on_code(scene.driver, look_at_code, NULL);
    CHECK_INT(wr_code_run(scene.sandbox, &opts, NULL, &result, &scene.err), 0);
    CHECK_STR(wr_value_string(result, "stdout"), "x");
    wr_value_free(result);
    opts.code = NULL;
    CHECK_INT(wr_code_run(scene.sandbox, &opts, NULL, &result, &scene.err), -WR_E_INVALID_ARGUMENT);
    opts.code = "\xff";
    CHECK_INT(wr_code_run(scene.sandbox, &opts, NULL, &result, &scene.err), -WR_E_INVALID_ARGUMENT);
    opts = (struct wr_code_opts){
        .struct_size = sizeof opts, .code = "1", .language = "r", .context_id = "c"};
    CHECK_INT(wr_code_run(scene.sandbox, &opts, NULL, &result, &scene.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_code_run(NULL, NULL, NULL, &result, &scene.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_CODE), 1);
    end(&scene);
}

TEST(program_arguments)
{
    struct wr_program_opts opts = {.struct_size = sizeof opts};
    const char *const argv[] = {"true", "\xff"};
    struct wr_program *program = NULL;
    struct wr_value *result = NULL;
    struct scene scene;

    begin(&scene);
    CHECK_INT(wr_program_run(scene.sandbox, &opts, NULL, &result, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    opts.argv = argv;
    opts.argv_count = 2;
    CHECK_INT(wr_program_run(scene.sandbox, &opts, NULL, &result, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    opts.argv_count = 1;
    CHECK_INT(wr_program_run(scene.sandbox, &opts, NULL, &result, &scene.err), 0);
    CHECK_INT(wr_value_int(result, "exit_code", -1), 0);
    wr_value_free(result);
    opts.keep_input = true;
    CHECK_INT(wr_program_run(scene.sandbox, &opts, NULL, &result, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_program_start(scene.sandbox, &opts, NULL, &program, &scene.err), 0);
    CHECK_INT(wr_program_signal(program, 65, NULL, &scene.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_program_signal(program, 0, NULL, &scene.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_program_resize(program, 0, 1, NULL, &scene.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_program_resize(program, 1, 1, NULL, &scene.err), -WR_E_FAILED_PRECONDITION);
    CHECK(wr_program_free(program) == NULL);
    CHECK(wr_program_free(NULL) == NULL);
    end(&scene);
}

TEST(files_are_written_in_one_call)
{
    const struct wr_file files[] = {{"a", "1", 1}, {"b", NULL, 0}}, bad[] = {{"a", NULL, 3}};
    char *content = NULL;
    size_t len = 0;
    struct scene scene;

    begin(&scene);
    CHECK_INT(wr_files_write_all(scene.sandbox, files, 2, NULL, NULL, &scene.err), 0);
    CHECK_INT(wr_files_write_all(scene.sandbox, NULL, 0, NULL, NULL, &scene.err), 0);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_FILE_WRITE), 1);
    CHECK_INT(wr_files_read(scene.sandbox, "a", NULL, 0, NULL, &content, &len, &scene.err), 0);
    CHECK_INT(len, 1);
    wr_free(content);
    CHECK_INT(wr_files_write_all(scene.sandbox, bad, 1, NULL, NULL, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_files_read(scene.sandbox, "", NULL, 0, NULL, &content, &len, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_files_watch(scene.sandbox, "a", false, NULL, NULL, NULL, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    end(&scene);
}

TEST(failures_as_the_test_wants_them)
{
    struct scene scene;
    struct wr_sandbox *other = NULL;

    begin(&scene);
    fake_driver_fail_after(scene.driver, FAKE_CREATE, 2, 1, WR_E_RESOURCE_EXHAUSTED, 1500);
    fake_driver_max_alive(scene.driver, 2);
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &other, &scene.err), 0);
    struct wr_sandbox *third = NULL;
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &third, &scene.err),
              -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(scene.err.retry_after_ms, 1500);
    CHECK_INT(wr_sandbox_create(scene.client, NULL, NULL, &third, &scene.err),
              -WR_E_RESOURCE_EXHAUSTED); /* there are two */
    CHECK_INT(scene.err.retry_after_ms, 0);
    fake_driver_lose(scene.driver, wr_sandbox_id(other));
    CHECK_INT(wr_files_make_dir(other, "x", NULL, NULL, &scene.err), -WR_E_ABORTED);
    CHECK_INT(fake_driver_peak_alive(scene.driver), 2);
    wr_sandbox_free(other);
    end(&scene);
}
