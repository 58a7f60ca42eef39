#include "cli/cmd_fork.h"

#include <stdio.h>

#include "base/str.h"
#include "cli/each_id.h"
#include "cli/out.h"
#include "cli/progress.h"
#include "client/api_pause.h"
#include "client/api_sandbox.h"
#include "json/jread.h"
#include "server/main.h"

#define SOME_FAILED 1

struct values {
    uint64_t count, timeout_ms;
    bool json;
};

static const struct wr_opt opts[] = {
    {"count", 'n', WR_OPT_U64, offsetof(struct values, count), "COUNT", "how many (1)", 1,
     WR_FORK_MAX, false, NULL},
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "lifetime of each, e.g. 10m (5m)", 1000, (uint64_t)WR_TIMEOUT_MAX_S * 1000, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "a JSON array, as the API has it",
     0, 0, false, NULL},
};

static void write_line(char *line, size_t cap, double elapsed_s, void *data)
{
    if (!wr_strformat(line, cap, "forking %.80s, %.0f s", (const char *)data, elapsed_s))
        line[0] = '\0';
}

/* The ids; what was wrong with others goes to standard error. *ret_failed: how many. */
static int print(const json_t *forks, bool json, size_t *ret_failed, struct wr_error *err)
{
    const json_t *item;
    size_t i, failed = 0;

    json_array_foreach(forks, i, item) {
        const char *id =
            json_string_value(json_object_get(json_object_get(item, "sandbox"), "sandboxID"));
        const char *why =
            json_string_value(json_object_get(json_object_get(item, "error"), "message"));
        if (id && !json)
            printf("%s\n", id);
        if (id)
            continue;
        failed++;
        fprintf(stderr, "warren: fork %zu was not made: %s\n", i + 1,
                why ? why : "the server did not say why");
    }
    *ret_failed = failed;
    return json ? wr_print_json(forks, err) : 0;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_fork_opts fork = {.count = values->count ? (unsigned)values->count : 1,
                                      .timeout_s = values->timeout_ms
                                                       ? (values->timeout_ms + 999) / 1000
                                                       : WR_API_SANDBOX_TIMEOUT_S};
    struct wr_transport *client = NULL;
    struct wr_progress *progress = NULL;
    wr_auto_json *forks = NULL;
    size_t failed = 0;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_progress_start(write_line, (void *)(uintptr_t)in->args[0], &progress, err);
    if (r == 0)
        r = wr_explain_sandbox(wr_api_sandbox_fork(client, in->args[0], &fork, &forks, err),
                               in->args[0], err);
    wr_progress_stop(progress);
    wr_transport_free(client);
    if (r == 0)
        r = print(forks, values->json, &failed, err);
    return r < 0 ? r : failed > 0 ? SOME_FAILED : 0;
}

const struct wr_command wr_cmd_fork = {
    .name = "fork",
    .summary = "Make new sandboxes that go on from where one is",
    .usage = "[-n COUNT] [--timeout TIME] [--json] ID",
    .details =
        "The sandbox stands still for a moment, and goes on. Each fork has its memory, files and\n"
        "programs, and an id, a host name, random numbers and a network of its own. Their ids are\n"
        "printed. The status is 1 when some could not be made.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 1,
    .run = run,
};
