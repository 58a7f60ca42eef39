#include "cli/cmd_resume.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "cli/each_id.h"
#include "client/api_pause.h"
#include "client/api_sandbox.h"
#include "server/main.h"

struct values {
    uint64_t timeout_ms;
    bool files_only, json;
};

static const struct wr_opt opts[] = {
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "lifetime from now on, e.g. 10m (5m)", 1000, (uint64_t)WR_TIMEOUT_MAX_S * 1000, false, NULL},
    {"files-only", 0, WR_OPT_FLAG, offsetof(struct values, files_only), NULL,
     "boot it from its files, and drop its memory", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "a JSON array: sandboxID, state, durationMs", 0, 0, false, NULL},
};

static int resume_one(struct wr_transport *client, const char *id, const void *data, json_t **ret,
                      struct wr_error *err)
{
    const struct values *values = data;
    const struct wr_resume_opts resume = {.timeout_s = values->timeout_ms
                                                           ? (values->timeout_ms + 999) / 1000
                                                           : WR_API_SANDBOX_TIMEOUT_S,
                                          .files_only = values->files_only};
    uint64_t began_us = wr_mono_us();

    int r = wr_api_sandbox_resume(client, id, &resume, err);
    if (r < 0)
        return wr_explain_sandbox(r, id, err);
    json_t *result = json_pack("{s:s, s:s, s:f}", "sandboxID", id, "state", "running", "durationMs",
                               (double)(wr_mono_us() - began_us) / 1000);
    if (!result)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result");
    *ret = result;
    return 0;
}

static void print_one(const json_t *result)
{
    char took[32];

    wr_format_took(json_real_value(json_object_get(result, "durationMs")), took, sizeof took);
    printf("%s  %s  %s\n", json_string_value(json_object_get(result, "sandboxID")),
           json_string_value(json_object_get(result, "state")), took);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_each each = {.doing = "resuming",
                                 .run = resume_one,
                                 .print = print_one,
                                 .values = values,
                                 .json = values->json};
    struct wr_transport *client = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_each_run(&each, client, in->args, in->arg_count, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_resume = {
    .name = "resume",
    .summary = "Let paused sandboxes go on",
    .usage = "[--timeout TIME] [--files-only] [--json] ID...",
    .details =
        "Programs go on where they stood. Connections to other hosts were cut; random numbers are\n"
        "new. A sandbox that runs already lives on at least TIME more. What another kernel or CPU\n"
        "saved, or what was damaged, is refused and kept: --files-only can still boot it.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = WR_OPT_MAX_ARGS,
    .run = run,
};
