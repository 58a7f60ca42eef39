#include "latency.h"

#include "calls.h"

#define RUNS_PER_SANDBOX 4

static const char *const true_cmd[2] = {"/bin/true", NULL};
static const char *const echo_cmd[2] = {"/bin/echo", "hello"};

struct bench {
    struct wr_transport *client;
    const struct wr_latency_opts *opts;
    struct wr_series_set *series;
};

static int create(struct bench *b, char id[WR_ID_LEN + 1], struct wr_call *call,
                  struct wr_error *err)
{
    size_t running = 0;
    int rc = wr_call_create(b->client, b->opts->template_name, call, &running, err);

    if (rc == 0)
        rc = wr_calls_wait(b->client, &running, err);
    return rc ? rc : wr_call_check(call, id, err);
}

static int exec_once(struct bench *b, const char *id, const char *const cmd[2],
                     struct wr_call *call, struct wr_error *err)
{
    size_t running = 0;
    int rc = wr_call_exec(b->client, id, cmd, call, &running, err);

    if (rc == 0)
        rc = wr_calls_wait(b->client, &running, err);
    return rc ? rc : wr_call_check(call, NULL, err);
}

static int health(struct bench *b, const char *id, struct wr_error *err)
{
    struct wr_call call;
    size_t running = 0;
    int rc = wr_call_health(b->client, id, &call, &running, err);

    if (rc == 0)
        rc = wr_calls_wait(b->client, &running, err);
    return rc ? rc : wr_call_check(&call, NULL, err);
}

static int kill_sandbox(struct bench *b, const char *id, struct wr_error *err)
{
    struct wr_call call;
    size_t running = 0;
    int rc = wr_call_kill(b->client, id, &call, &running, err);

    if (rc == 0)
        rc = wr_calls_wait(b->client, &running, err);
    if (rc == 0)
        rc = wr_call_check(&call, NULL, err);
    return rc ? rc : wr_series_add(b->series, "kill", call.ended_us - call.started_us, err);
}

/* A sandbox that is used for a while. */
static int live_round(struct bench *b, struct wr_error *err)
{
    struct wr_call call;
    char id[WR_ID_LEN + 1];
    int rc = create(b, id, &call, err);

    if (rc == 0)
        rc = wr_series_add(b->series, "create", call.ended_us - call.started_us, err);
    if (rc == 0)
        rc = health(b, id, err);
    for (int i = 0; rc == 0 && i < RUNS_PER_SANDBOX; i++) {
        rc = exec_once(b, id, true_cmd, &call, err);
        if (rc == 0)
            rc = wr_series_add(b->series, i == 0 ? "exec_true_first" : "exec_true",
                               call.ended_us - call.started_us, err);
    }
    return rc ? rc : kill_sandbox(b, id, err);
}

/* A sandbox for one command: the time counts from the request for the sandbox. */
static int once_round(struct bench *b, const char *const cmd[2], bool first_byte, const char *name,
                      struct wr_error *err)
{
    struct wr_call made, ran;
    char id[WR_ID_LEN + 1];
    int rc = create(b, id, &made, err);

    if (rc == 0)
        rc = exec_once(b, id, cmd, &ran, err);
    if (rc == 0 && first_byte && ran.first_us == 0)
        rc = wr_fail(err, WR_E_INTERNAL, 0, "%s: the program's output did not come", name);
    if (rc == 0)
        rc = wr_series_add(b->series, name,
                           (first_byte ? ran.first_us : ran.ended_us) - made.started_us, err);
    return rc ? rc : kill_sandbox(b, id, err);
}

static int commands(struct bench *b, unsigned round, struct wr_error *err)
{
    uint64_t us = 0;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < b->opts->command_count; i++) {
        rc = wr_command_time(&b->opts->commands[i], round, &us, err);
        if (rc == 0)
            rc = wr_series_add(b->series, b->opts->commands[i].name, us, err);
    }
    return rc;
}

int wr_latency_run(struct wr_transport *client, const struct wr_latency_opts *opts,
                   struct wr_series_set *ret, struct wr_error *err)
{
    struct bench b = {.client = client, .opts = opts, .series = ret};
    int rc = 0;

    for (unsigned round = 0; rc == 0 && round < opts->warm_up + opts->rounds; round++) {
        ret->paused = round < opts->warm_up;
        rc = live_round(&b, err);
        if (rc == 0)
            rc = once_round(&b, true_cmd, false, "create_true", err);
        if (rc == 0)
            rc = once_round(&b, echo_cmd, true, "create_first_output", err);
        if (rc == 0)
            rc = commands(&b, round, err);
    }
    return rc;
}
