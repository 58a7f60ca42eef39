#include "cli/cmd_rollback.h"

#include <stdio.h>

#include "base/clock.h"
#include "cli/each_id.h"
#include "client/api_pause.h"
#include "client/api_sandbox.h"
#include "json/jread.h"
#include "server/main.h"

struct values {
    uint64_t timeout_ms;
    bool json;
};

static const struct wr_opt opts[] = {
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "lifetime from now on, e.g. 10m (5m)", 1000, (uint64_t)WR_TIMEOUT_MAX_S * 1000, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "a JSON array: sandboxID, snapshotID, durationMs", 0, 0, false, NULL},
};

struct job {
    const char *snapshot;
    uint64_t timeout_s;
};

/* The sandbox or the snapshot. */
static int explain_missing(struct wr_transport *client, const char *id, const char *snapshot,
                           struct wr_error *err)
{
    wr_auto_json *info = NULL;

    int r = wr_api_sandbox_get(client, id, &info, err);
    if (r < 0)
        return wr_explain_sandbox(r, id, err);
    return wr_fail(err, WR_E_NOT_FOUND, 0,
                   "there is no snapshot %.80s; `warren snapshot list --sandbox %s` lists those of "
                   "the sandbox",
                   snapshot, id);
}

static int rollback_one(struct wr_transport *client, const char *id, const void *data, json_t **ret,
                        struct wr_error *err)
{
    const struct job *job = data;
    uint64_t began_us = wr_mono_us();

    int r = wr_api_sandbox_rollback(client, id, job->snapshot, job->timeout_s, err);
    if (r == -WR_E_NOT_FOUND)
        return explain_missing(client, id, job->snapshot, err);
    if (r < 0)
        return wr_explain_sandbox(r, id, err);
    json_t *result = json_pack("{s:s, s:s, s:f}", "sandboxID", id, "snapshotID", job->snapshot,
                               "durationMs", (double)(wr_mono_us() - began_us) / 1000);
    if (!result)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "result");
    *ret = result;
    return 0;
}

static void print_one(const json_t *result)
{
    char took[32];

    wr_format_took(json_real_value(json_object_get(result, "durationMs")), took, sizeof took);
    printf("%s  %s  %s\n", json_string_value(json_object_get(result, "sandboxID")),
           json_string_value(json_object_get(result, "snapshotID")), took);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct job job = {.snapshot = in->args[1],
                            .timeout_s = values->timeout_ms ? (values->timeout_ms + 999) / 1000
                                                            : WR_API_SANDBOX_TIMEOUT_S};
    const struct wr_each each = {.doing = "rolling back",
                                 .run = rollback_one,
                                 .print = print_one,
                                 .values = &job,
                                 .json = values->json};
    struct wr_transport *client = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_each_run(&each, client, in->args, 1, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_rollback = {
    .name = "rollback",
    .summary = "Bring a sandbox back to one of its snapshots",
    .usage = "[--timeout TIME] [--json] ID SNAPSHOT",
    .details =
        "It keeps its id; files, memory and programs are those of the snapshot, and what happened\n"
        "since is lost unless it is in another snapshot. `warren snapshot list --sandbox ID` lists\n"
        "its snapshots.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 2,
    .max_args = 2,
    .run = run,
};
