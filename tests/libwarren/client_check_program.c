#include <pthread.h>
#include <signal.h>

#include "client_check.h"

TEST(program_run)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = run_command(sandbox, "echo out; echo err >&2; exit 3");

    CHECK_STR(wr_value_string(result, "stdout"), "out\n");
    CHECK_STR(wr_value_string(result, "stderr"), "err\n");
    CHECK_INT(wr_value_int(result, "exit_code", -1), 3);
    CHECK_INT(wr_value_int(result, "signal", -1), 0);
    CHECK(wr_value_double(result, "time_ms", 0) > 0);
    wr_value_free(result);
    result = run_command(sandbox, "kill -9 $$");
    CHECK_INT(wr_value_int(result, "exit_code", -1), 137);
    CHECK_INT(wr_value_int(result, "signal", -1), 9);
    wr_value_free(result);
    end(client, sandbox);
}

TEST(program_with_everything)
{
    const char *const argv[] = {"/bin/sh", "-c", "pwd; echo \"$NAME\"; id -un; cat", "unused"};
    const char *const envs[] = {"NAME=a value with = in it"};
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;

    DO(wr_program_run(sandbox,
                      WR_OPTS(wr_program_opts, .argv = argv, .argv_count = 4, .envs = envs,
                              .env_count = 1, .cwd = "/tmp", .user = "root", .input = "fed\n",
                              .input_len = 4),
                      NULL, &result, &err));
    CHECK_STR(wr_value_string(result, "stdout"), "/tmp\na value with = in it\nroot\nfed\n");
    wr_value_free(result);
    end(client, sandbox);
}

TEST(program_with_much_input_and_output)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;
    const size_t len = 700000;
    char *input = malloc(len);

    CHECK(input != NULL);
    memset(input, 'x', len);
    DO(wr_program_run(sandbox,
                      WR_OPTS(wr_program_opts, .command = "cat", .input = input, .input_len = len,
                              .max_output = 1000),
                      NULL, &result, &err));
    CHECK_INT(strlen(wr_value_string(result, "stdout")), 1000);
    CHECK_INT(wr_value_int(result, "stdout_dropped", 0), (long long)len - 1000);
    wr_value_free(result);
    /* Nobody reads it: no error. */
    DO(wr_program_run(
        sandbox,
        WR_OPTS(wr_program_opts, .command = "exec <&-; exit 0", .input = input, .input_len = len),
        NULL, &result, &err));
    CHECK_INT(wr_value_int(result, "exit_code", -1), 0);
    wr_value_free(result);
    free(input);
    end(client, sandbox);
}

static int count_bytes(enum wr_program_stream stream, const void *bytes, size_t len, void *data)
{
    int *counts = data;

    (void)bytes;
    counts[stream] += (int)len;
    return counts[0] && counts[stream] >= counts[0];
}

TEST(program_output_as_it_comes)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;
    int counts[4] = {0};

    DO(wr_program_run(sandbox,
                      WR_OPTS(wr_program_opts, .command = "printf 'a\\xffb\\0c'; printf 12 >&2",
                              .on_output = count_bytes, .on_output_data = counts),
                      NULL, &result, &err));
    CHECK_INT(counts[WR_STDOUT], 5);
    CHECK_INT(counts[WR_STDERR], 2);
    /* As text: what is no UTF-8 is replaced. */
    CHECK_STR(wr_value_string(result, "stdout"), "a\xef\xbf\xbd"
                                                 "b");
    wr_value_free(result);

    counts[0] = 20;
    FAILS(WR_E_CANCELED,
          wr_program_run(sandbox,
                         WR_OPTS(wr_program_opts, .command = "while true; do echo 123; done",
                                 .on_output = count_bytes, .on_output_data = counts),
                         NULL, &result, &err));
    end(client, sandbox);
}

static size_t running(struct wr_sandbox *sandbox)
{
    struct wr_value *list = NULL;

    DO(wr_program_list(sandbox, NULL, &list, &err));
    size_t count = wr_value_count(list);
    wr_value_free(list);
    return count;
}

/* The agent answers before the last process is gone. */
static void none_runs_soon(struct wr_sandbox *sandbox)
{
    for (int i = 0; i < 250 && running(sandbox) > 0; i++)
        (void)usleep(20000);
    CHECK_INT(running(sandbox), 0);
}

TEST(program_out_of_time)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;
    const struct wr_wait wait = {.timeout_ms = 300};

    FAILS(WR_E_DEADLINE_EXCEEDED,
          wr_program_run(sandbox,
                         WR_OPTS(wr_program_opts, .command = "sleep 1000", .timeout_ms = 300), NULL,
                         &result, &err));
    none_runs_soon(sandbox);
    /* The call's own time: nobody has a handle of it, so it is killed as well. */
    FAILS(WR_E_DEADLINE_EXCEEDED,
          wr_program_run(sandbox, WR_OPTS(wr_program_opts, .command = "exec sleep 1000"), &wait,
                         &result, &err));
    none_runs_soon(sandbox);
    end(client, sandbox);
}

TEST(program_fed_and_followed)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_program *program = NULL;
    struct wr_value *result = NULL, *list = NULL;
    const struct wr_wait short_wait = {.timeout_ms = 100};

    DO(wr_program_start(sandbox,
                        WR_OPTS(wr_program_opts, .command = "cat; echo end", .input = "first\n",
                                .input_len = 6, .keep_input = true),
                        NULL, &program, &err));
    CHECK(wr_program_pid(program) > 0);
    DO(wr_program_list(sandbox, NULL, &list, &err));
    CHECK_INT(wr_value_count(list), 1);
    CHECK_INT(wr_value_int(wr_value_at(list, 0), "pid", 0), wr_program_pid(program));
    CHECK_STR(wr_value_string(wr_value_at(list, 0), "cmd"), "/bin/bash");
    wr_value_free(list);
    FAILS(WR_E_DEADLINE_EXCEEDED, wr_program_wait(program, &short_wait, &result, &err));
    DO(wr_program_write(program, "second\n", 7, NULL, &err));
    DO(wr_program_close_input(program, NULL, &err));
    DO(wr_program_wait(program, NULL, &result, &err));
    CHECK_STR(wr_value_string(result, "stdout"), "first\nsecond\nend\n");
    CHECK_INT(wr_value_int(result, "exit_code", -1), 0);
    wr_value_free(result);
    /* Again the same, and what came too late is no error. */
    DO(wr_program_wait(program, NULL, &result, &err));
    CHECK_STR(wr_value_string(result, "stdout"), "first\nsecond\nend\n");
    wr_value_free(result);
    DO(wr_program_close_input(program, NULL, &err));
    DO(wr_program_signal(program, SIGTERM, NULL, &err));
    FAILS(WR_E_FAILED_PRECONDITION, wr_program_write(program, "x", 1, NULL, &err));
    wr_program_free(program);
    end(client, sandbox);
}

static void *terminate(void *data)
{
    (void)usleep(200000);
    DO(wr_program_signal(data, SIGTERM, NULL, &err));
    return NULL;
}

TEST(program_signalled_by_another_thread)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_program *program = NULL;
    struct wr_value *result = NULL;
    pthread_t thread;

    DO(wr_program_start(sandbox, WR_OPTS(wr_program_opts, .command = "exec sleep 1000"), NULL,
                        &program, &err));
    CHECK_INT(pthread_create(&thread, NULL, terminate, program), 0);
    DO(wr_program_wait(program, NULL, &result, &err));
    CHECK_INT(wr_value_int(result, "signal", 0), SIGTERM);
    CHECK_INT(wr_value_int(result, "exit_code", 0), 128 + SIGTERM);
    CHECK_INT(pthread_join(thread, NULL), 0);
    wr_value_free(result);
    wr_program_free(program);
    end(client, sandbox);
}

TEST(program_with_a_terminal)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_program *program = NULL;
    struct wr_value *result = NULL;

    DO(wr_program_start(sandbox,
                        WR_OPTS(wr_program_opts, .command = "head -n 1; stty size; tty; echo $TERM",
                                .terminal = true, .cols = 90, .rows = 30),
                        NULL, &program, &err));
    DO(wr_program_resize(program, 100, 40, NULL, &err));
    DO(wr_program_write(program, "go\n", 3, NULL, &err));
    DO(wr_program_wait(program, NULL, &result, &err));
    CHECK(strstr(wr_value_string(result, "stdout"), "40 100\r\n") != NULL);
    CHECK(strstr(wr_value_string(result, "stdout"), "/dev/pts/") != NULL);
    CHECK(strstr(wr_value_string(result, "stdout"), "xterm-256color") != NULL);
    CHECK_INT(wr_value_int(result, "exit_code", -1), 0);
    wr_value_free(result);
    wr_program_free(program);
    end(client, sandbox);
}

TEST(program_goes_on_without_its_handle)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_program *program = NULL;

    DO(wr_program_start(
        sandbox, WR_OPTS(wr_program_opts, .command = "exec sleep 1000", .timeout_ms = 1000000),
        NULL, &program, &err));
    wr_program_free(program);
    CHECK_INT(running(sandbox), 1);
    end(client, sandbox);
}

TEST(program_options_that_are_wrong)
{
    const char *const argv[] = {"true"};
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;

    FAILS(WR_E_INVALID_ARGUMENT,
          wr_program_run(sandbox, WR_OPTS(wr_program_opts, .cwd = "/"), NULL, &result, &err));
    FAILS(WR_E_INVALID_ARGUMENT,
          wr_program_run(sandbox,
                         WR_OPTS(wr_program_opts, .command = "true", .argv = argv, .argv_count = 1),
                         NULL, &result, &err));
    FAILS(WR_E_INVALID_ARGUMENT,
          wr_program_run(sandbox, WR_OPTS(wr_program_opts, .command = "true", .keep_input = true),
                         NULL, &result, &err));
    FAILS(WR_E_UNAUTHENTICATED,
          wr_program_run(sandbox,
                         WR_OPTS(wr_program_opts, .command = "true", .user = "nobody-here"), NULL,
                         &result, &err));
    end(client, sandbox);
}
