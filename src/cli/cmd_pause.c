#include "cli/cmd_pause.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/each_id.h"
#include "client/api_pause.h"
#include "json/jread.h"

/* The words of --level, the first being its default. */
#define LEVELS "hibernated|paged|frozen"
static const enum wr_sandbox_level levels[] = {WR_SANDBOX_HIBERNATED, WR_SANDBOX_PAGED,
                                               WR_SANDBOX_FROZEN};

struct values {
    uint64_t level; /* index of `levels` */
    bool files_only, json;
};

static const struct wr_opt opts[] = {
    {"level", 0, WR_OPT_CHOICE, offsetof(struct values, level), LEVELS,
     "how deep (hibernated: on the disk)", 0, 0, false, NULL},
    {"files-only", 0, WR_OPT_FLAG, offsetof(struct values, files_only), NULL,
     "keep its files alone: a resume boots it", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "a JSON array: sandboxID, level, reason, durationMs", 0, 0, false, NULL},
};

/* One that is paused already: what it is. */
static int look(struct wr_transport *client, const char *id, struct wr_api_paused *ret,
                struct wr_error *err)
{
    wr_auto_json *info = NULL;
    struct wr_api_paused found = {0};

    int r = wr_api_sandbox_get(client, id, &info, err);
    if (r < 0)
        return r;
    const json_t *pause = json_object_get(info, "pause");
    const char *level = json_string_value(json_object_get(pause, "level"));
    const char *reason = json_string_value(json_object_get(pause, "reason"));
    if (!wr_strcopy(found.level, sizeof found.level, level ? level : "paused"))
        found.level[0] = '\0';
    if (!wr_strcopy(found.reason, sizeof found.reason, reason ? reason : ""))
        found.reason[0] = '\0';
    *ret = found;
    return 0;
}

static int pause_one(struct wr_transport *client, const char *id, const void *data, json_t **ret,
                     struct wr_error *err)
{
    const struct values *values = data;
    const struct wr_pause_opts pause = {.level = levels[values->level],
                                        .files_only = values->files_only};
    struct wr_api_paused paused = {0};
    uint64_t began_us = wr_mono_us();

    int r = wr_api_sandbox_pause(client, id, &pause, &paused, err);
    if (r == -WR_E_ALREADY_EXISTS)
        r = look(client, id, &paused, err);
    if (r < 0)
        return wr_explain_sandbox(r, id, err);
    json_t *result = json_pack("{s:s, s:s, s:f}", "sandboxID", id, "level", paused.level,
                               "durationMs", (double)(wr_mono_us() - began_us) / 1000);
    if (!result || (paused.reason[0] &&
                    json_object_set_new(result, "reason", json_string(paused.reason)) < 0)) {
        json_decref(result);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result");
    }
    *ret = result;
    return 0;
}

static void print_one(const json_t *result)
{
    const char *id = json_string_value(json_object_get(result, "sandboxID"));
    const char *level = json_string_value(json_object_get(result, "level"));
    const char *reason = json_string_value(json_object_get(result, "reason"));
    char took[32];

    wr_format_took(json_real_value(json_object_get(result, "durationMs")), took, sizeof took);
    printf("%s  %-10s  %s\n", id, level, took);
    if (!reason)
        return;
    (void)fflush(stdout);
    fprintf(stderr, "warren: sandbox %s stays %s: %s\n", id, level, reason);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_each each = {.doing = "pausing",
                                 .run = pause_one,
                                 .print = print_one,
                                 .values = values,
                                 .json = values->json};
    struct wr_transport *client = NULL;

    if (values->files_only && levels[values->level] != WR_SANDBOX_HIBERNATED)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "pause: --files-only keeps no memory, and the other levels are made of it; "
                       "leave --level out");
    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_each_run(&each, client, in->args, in->arg_count, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_pause = {
    .name = "pause",
    .summary = "Pause sandboxes, to be resumed later",
    .usage = "[--level LEVEL] [--files-only] [--json] ID...",
    .details =
        "Its programs stand still, and its lifetime with them; nothing of it is lost. hibernated:\n"
        "its memory is on the disk, costs nothing, and survives a restart of Warren or the host.\n"
        "paged and frozen: its memory stays in swap or where it is, for a quick resume; that ends\n"
        "with the host. A line says the level that was reached and the time it took. A sandbox\n"
        "that cannot be saved stays frozen, and standard error says why.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = WR_OPT_MAX_ARGS,
    .run = run,
};
