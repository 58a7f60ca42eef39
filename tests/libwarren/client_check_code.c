#include <pthread.h>
#include <time.h>

#include "client_check.h"

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Longer than anything here takes; what has to be stopped would take for ever. */
#define SOON_S 30

TEST(code_streams_and_result)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = run_code(sandbox, "import sys\n"
                                                "print('out')\n"
                                                "print('err', file=sys.stderr)\n"
                                                "print('\xc3\xa4\xf0\x9f\x99\x82')\n"
                                                "{'a': 1}");

    CHECK_STR(wr_value_string(result, "stdout"), "out\n\xc3\xa4\xf0\x9f\x99\x82\n");
    CHECK_STR(wr_value_string(result, "stderr"), "err\n");
    CHECK(strstr(wr_value_string(result, "output"), "err\n") != NULL);
    CHECK_INT(wr_value_count(wr_value_get(result, "results")), 1);
    CHECK_STR(main_text(result), "{'a': 1}");
    const struct wr_value *json =
        wr_value_get(wr_value_at(wr_value_get(result, "results"), 0), "json");
    CHECK_INT(wr_value_int(json, "a", 0), 1);
    char *error = wr_value_text(wr_value_get(result, "error"));
    CHECK_STR(error, "null");
    wr_free(error);
    CHECK_INT(wr_value_int(result, "execution_count", 0), 1);
    CHECK_INT(wr_value_int(result, "stdout_dropped", -1), 0);
    CHECK(wr_value_double(result, "time_ms", 0) > 0);
    wr_value_free(result);
    end(client, sandbox);
}

struct events {
    char text[256];
    int results, errors, stop_after;
};

static int note(const struct wr_code_event *event, void *data)
{
    struct events *events = data;

    switch (event->kind) {
    case WR_CODE_STDOUT:
    case WR_CODE_STDERR:
        strncat(events->text, event->text, event->text_len);
        break;
    case WR_CODE_RESULT:
        events->results++;
        CHECK_STR(wr_value_string(event->value, "text"), "7");
        break;
    case WR_CODE_ERROR:
        events->errors++;
        CHECK_STR(wr_value_string(event->value, "name"), "ZeroDivisionError");
        break;
    }
    return events->stop_after && strlen(events->text) >= (size_t)events->stop_after;
}

TEST(code_events_as_they_come)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct events events = {0};
    struct wr_value *result = NULL;

    DO(wr_code_run(sandbox,
                   WR_OPTS(wr_code_opts, .code = "print(1)\nprint(2)\n7", .on_event = note,
                           .on_event_data = &events),
                   NULL, &result, &err));
    CHECK_STR(events.text, "1\n2\n");
    CHECK_INT(events.results, 1);
    wr_value_free(result);
    DO(wr_code_run(sandbox,
                   WR_OPTS(wr_code_opts, .code = "1/0", .on_event = note, .on_event_data = &events),
                   NULL, &result, &err));
    CHECK_INT(events.errors, 1);
    const struct wr_value *error = wr_value_get(result, "error");
    CHECK_STR(wr_value_string(error, "name"), "ZeroDivisionError");
    CHECK_STR(wr_value_string(error, "value"), "division by zero");
    CHECK(strlen(wr_value_string(error, "traceback")) > 0);
    wr_value_free(result);
    end(client, sandbox);
}

TEST(code_given_up_by_its_callback)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct events events = {.stop_after = 4};
    struct wr_value *result = NULL;

    FAILS(WR_E_CANCELED,
          wr_code_run(sandbox,
                      WR_OPTS(wr_code_opts,
                              .code = "import time\nwhile True:\n print(1)\n time.sleep(0.01)",
                              .on_event = note, .on_event_data = &events),
                      NULL, &result, &err));
    result = run_code(sandbox, "1 + 1");
    CHECK_STR(main_text(result), "2");
    wr_value_free(result);
    end(client, sandbox);
}

TEST(code_with_variables_and_languages)
{
    const char *const envs[] = {"WORD=of one cell", "EMPTY="};
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;

    DO(wr_code_run(sandbox,
                   WR_OPTS(wr_code_opts,
                           .code = "import os; os.environ['WORD'] + os.environ['EMPTY']",
                           .envs = envs, .env_count = 2),
                   NULL, &result, &err));
    CHECK_STR(main_text(result), "of one cell");
    wr_value_free(result);
    result = run_code(sandbox, "os.environ.get('WORD', 'gone')");
    CHECK_STR(main_text(result), "gone");
    wr_value_free(result);
    DO(wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "echo $((6 * 7))", .language = "bash"),
                   NULL, &result, &err));
    CHECK_STR(wr_value_string(result, "stdout"), "42\n");
    wr_value_free(result);
    FAILS(WR_E_INVALID_ARGUMENT,
          wr_code_run(sandbox,
                      WR_OPTS(wr_code_opts, .code = "1", .language = "bash", .context_id = "x"),
                      NULL, &result, &err));
    end(client, sandbox);
}

TEST(code_output_beyond_the_limit)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;

    /* 101 bytes end in the middle of the 51st character. */
    DO(wr_code_run(
        sandbox,
        WR_OPTS(wr_code_opts, .code = "print('\xc3\xa9' * 1000, end='')", .max_output = 101), NULL,
        &result, &err));
    CHECK_INT(strlen(wr_value_string(result, "stdout")), 100);
    CHECK_INT(wr_value_int(result, "stdout_dropped", 0), 2000 - 101);
    CHECK_INT(wr_value_int(result, "stderr_dropped", -1), 0);
    wr_value_free(result);
    end(client, sandbox);
}

static void lives_on(struct wr_sandbox *sandbox, const char *expression, const char *value)
{
    struct wr_value *result = run_code(sandbox, expression);

    CHECK_STR(main_text(result), value);
    wr_value_free(result);
}

TEST(code_timeout_interrupts_an_endless_loop)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;

    wr_value_free(run_code(sandbox, "kept = 41"));
    double begin = now_s();
    FAILS(WR_E_DEADLINE_EXCEEDED,
          wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "while True: pass", .timeout_ms = 300),
                      NULL, &result, &err));
    lives_on(sandbox, "kept + 1", "42");
    CHECK(now_s() - begin < SOON_S);
    /* The call's own time does the same. */
    const struct wr_wait wait = {.timeout_ms = 300};
    FAILS(WR_E_DEADLINE_EXCEEDED,
          wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "import time; time.sleep(1000)"),
                      &wait, &result, &err));
    lives_on(sandbox, "kept + 2", "43");
    CHECK(now_s() - begin < SOON_S);
    end(client, sandbox);
}

static int fire(const struct wr_code_event *event, void *data)
{
    (void)event;
    wr_cancel_fire(data);
    return 0;
}

static void *fire_later(void *data)
{
    (void)usleep(200000);
    wr_cancel_fire(data);
    return NULL;
}

TEST(code_cancelled)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_error error = {0};
    struct wr_cancel *parent = wr_cancel_new(NULL, &error), *cancel = wr_cancel_new(parent, &error);
    const struct wr_wait wait = {.cancel = cancel};
    struct wr_value *result = NULL;
    pthread_t thread;

    wr_value_free(run_code(sandbox, "kept = 1"));
    double begin = now_s();
    CHECK_INT(pthread_create(&thread, NULL, fire_later, parent), 0);
    FAILS(WR_E_CANCELED, wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "while True: pass"),
                                     &wait, &result, &err));
    CHECK_INT(pthread_join(thread, NULL), 0);
    /* A token is fired for good: nothing begins with it any more. */
    FAILS(WR_E_CANCELED,
          wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "kept = 2"), &wait, &result, &err));
    lives_on(sandbox, "kept", "1");
    cancel = wr_cancel_free(cancel);

    /* By the code's own first output. */
    struct wr_cancel *own = wr_cancel_new(NULL, &error);
    const struct wr_wait own_wait = {.cancel = own};
    FAILS(WR_E_CANCELED,
          wr_code_run(sandbox,
                      WR_OPTS(wr_code_opts, .code = "print(1, flush=True)\nwhile True: pass",
                              .on_event = fire, .on_event_data = own),
                      &own_wait, &result, &err));
    lives_on(sandbox, "kept", "1");
    CHECK(now_s() - begin < SOON_S);
    wr_cancel_free(own);
    wr_cancel_free(parent);
    end(client, sandbox);
}

static void *kill_sandbox(void *data)
{
    (void)usleep(300000);
    DO(wr_sandbox_kill(data, NULL, &err));
    return NULL;
}

TEST(code_of_a_sandbox_that_ends)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *result = NULL;
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, kill_sandbox, sandbox), 0);
    FAILS(WR_E_ABORTED,
          wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "import time; time.sleep(1000)"), NULL,
                      &result, &err));
    CHECK_INT(pthread_join(thread, NULL), 0);
    end(client, sandbox);
}

TEST(contexts)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    char id[WR_CONTEXT_ID_MAX] = "";
    struct wr_value *list = NULL, *result = NULL;

    DO(wr_code_context_create(sandbox, NULL, "/tmp", NULL, id, &err));
    DO(wr_code_context_list(sandbox, NULL, &list, &err));
    const struct wr_value *last = wr_value_at(list, wr_value_count(list) - 1);
    CHECK_STR(wr_value_string(last, "id"), id);
    CHECK_STR(wr_value_string(last, "language"), "python");
    CHECK_STR(wr_value_string(last, "cwd"), "/tmp");
    wr_value_free(list);

    wr_value_free(run_code(sandbox, "x = 'default'"));
    DO(wr_code_run(sandbox,
                   WR_OPTS(wr_code_opts, .code = "import os; x = os.getcwd(); x", .context_id = id),
                   NULL, &result, &err));
    CHECK_STR(main_text(result), "/tmp");
    wr_value_free(result);
    lives_on(sandbox, "x", "default");
    DO(wr_code_context_restart(sandbox, id, NULL, &err));
    DO(wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "x", .context_id = id), NULL, &result,
                   &err));
    CHECK_STR(wr_value_string(wr_value_get(result, "error"), "name"), "NameError");
    wr_value_free(result);
    DO(wr_code_context_remove(sandbox, id, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_code_context_remove(sandbox, id, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "x", .context_id = id),
                                      NULL, &result, &err));
    FAILS(WR_E_INVALID_ARGUMENT, wr_code_context_restart(sandbox, "../x", NULL, &err));
    end(client, sandbox);
}
