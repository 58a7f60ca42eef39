#include "cli/cmd_hibernate.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "client/request.h"
#include "json/jread.h"

#define LOOK_FIRST_MS 20
#define LOOK_MAX_MS   500
#define MAX_MS        ((uint64_t)11 * 60 * 1000) /* the server gives up before */
#define SOME_FAILED   1

struct values {
    bool all, json;
};

static const struct wr_opt opts[] = {
    {"all", 'a', WR_OPT_FLAG, offsetof(struct values, all), NULL, "every sandbox", 0, 0, false,
     NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "a JSON object: done, failed, failures (sandboxID, reason)", 0, 0, false, NULL},
};

/* ---- the server does it, and says how far it is ---- */

/* For the thread that draws. */
struct state {
    atomic_size_t left, over;
};

static size_t number(const json_t *report, const char *name)
{
    json_int_t value = json_integer_value(json_object_get(report, name));

    return value > 0 ? (size_t)value : 0;
}

static void write_line(char *line, size_t cap, double elapsed_s, void *data)
{
    struct state *state = data;
    size_t over = atomic_load(&state->over);

    if (!wr_strformat(line, cap, "hibernating: %zu of %zu, %.0f s", over,
                      over + atomic_load(&state->left), elapsed_s))
        line[0] = '\0';
}

static int ask(struct wr_transport *client, const char *method, struct state *state, json_t **ret,
               struct wr_error *err)
{
    const struct wr_transport_request request = {.method = method, .target = "/hibernate"};
    wr_auto_json *report = NULL;

    int r = wr_transport_request_json(client, &request, &report, err);
    if (r < 0)
        return r;
    if (!json_is_integer(json_object_get(report, "left")))
        return wr_fail(err, WR_E_UNKNOWN, 0, "the server's answer is none to /hibernate");
    atomic_store(&state->left, number(report, "left"));
    atomic_store(&state->over, number(report, "done") + number(report, "failed"));
    json_decref(*ret);
    *ret = json_incref(report);
    return 0;
}

/* Nothing goes on in the transport meanwhile. */
static int rest(struct wr_transport *client, uint64_t ms, struct wr_error *err)
{
    uint64_t end_ms = wr_mono_end_ms(ms);
    int r = 0;

    for (uint64_t now_ms = wr_mono_ms(); r == 0 && now_ms < end_ms; now_ms = wr_mono_ms())
        r = wr_transport_step(client, (int)(end_ms - now_ms), err);
    return r;
}

static int wait_for_end(struct wr_transport *client, struct state *state, json_t **ret,
                        struct wr_error *err)
{
    uint64_t end_ms = wr_mono_end_ms(MAX_MS), pause_ms = LOOK_FIRST_MS;

    int r = ask(client, "POST", state, ret, err);
    while (r == 0 && atomic_load(&state->left) > 0) {
        if (wr_mono_ms() >= end_ms)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                           "the server still hibernates after %d minutes; its log says what",
                           (int)(MAX_MS / 60000));
        r = rest(client, pause_ms, err);
        if (r == 0)
            r = ask(client, "GET", state, ret, err);
        pause_ms = WR_MIN(2 * pause_ms, (uint64_t)LOOK_MAX_MS);
    }
    return r;
}

/* ---- what is told ---- */

static void print_failures(const json_t *report)
{
    const json_t *failures = json_object_get(report, "failures"), *failure;
    size_t i, told = json_array_size(failures), failed = number(report, "failed");

    json_array_foreach(failures, i, failure) {
        const char *id = json_string_value(json_object_get(failure, "sandboxID"));
        const char *reason = json_string_value(json_object_get(failure, "reason"));
        fprintf(stderr, "warren: sandbox %s was not hibernated: %s\n", id ? id : "?",
                reason ? reason : "?");
    }
    if (failed > told)
        fprintf(stderr, "warren: %zu more were not hibernated; the server's log names them\n",
                failed - told);
}

static int print_report(json_t *report, bool json, struct wr_error *err)
{
    size_t done = number(report, "done"), failed = number(report, "failed");
    int r = 0;

    if (json) {
        /* It is 0 by now. */
        (void)json_object_del(report, "left");
        r = wr_print_json(report, err);
    } else {
        printf("%zu hibernated\n", done);
        print_failures(report);
    }
    return r < 0 ? r : failed > 0 ? SOME_FAILED : 0;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_transport *client = NULL;
    struct wr_progress *progress = NULL;
    wr_auto_json *report = NULL;
    struct state state = {0};

    if (!values->all || in->arg_count > 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "hibernate: give --all and no id; `warren pause ID` does it with a single "
                       "sandbox");
    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_progress_start(write_line, &state, &progress, err);
    if (r == 0)
        r = wait_for_end(client, &state, &report, err);
    wr_progress_stop(progress);
    if (r == 0)
        r = print_report(report, values->json, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_hibernate = {
    .name = "hibernate",
    .summary = "Save all sandboxes to the disk, before the host goes down",
    .usage = "--all [--json]",
    .details =
        "What runs and what is paused in memory is hibernated. The next start of the server resumes\n"
        "what ran, once; `warren resume` does so before. Only the operator of the server may do this.\n"
        "The status is 1 when some could not be saved; standard error says which and why. The\n"
        "service warren-hibernate.service does this when the host goes down.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .max_args = WR_OPT_MAX_ARGS, /* an id is answered with the command for it */
    .run = run,
};
