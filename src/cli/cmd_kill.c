#include "cli/cmd_kill.h"

#include <stdio.h>

#include "base/str.h"
#include "client/api_sandbox.h"
#include "json/jread.h"

struct values {
    bool all, paused;
};

static const struct wr_opt opts[] = {
    {"all", 'a', WR_OPT_FLAG, offsetof(struct values, all), NULL, "every sandbox that runs", 0, 0,
     false, NULL},
    {"paused", 0, WR_OPT_FLAG, offsetof(struct values, paused), NULL,
     "with --all: those that are paused too", 0, 0, false, NULL},
};

static bool is_paused(const json_t *item)
{
    const char *state = json_string_value(json_object_get(item, "state"));

    return state && wr_streq(state, "paused");
}

/* Whoever has paused a sandbox wants it back: `paused` has to be said. */
static int kill_all(struct wr_transport *client, bool paused, struct wr_error *err)
{
    wr_auto_json *list = NULL;
    json_t *item;
    size_t i;

    int r = wr_api_sandbox_list(client, &list, err);
    json_array_foreach(list, i, item) {
        const char *id = json_string_value(json_object_get(item, "sandboxID"));
        if (r < 0 || !id)
            break;
        if (is_paused(item) && !paused)
            continue;
        r = wr_api_sandbox_kill(client, id, err);
        /* It may have ended meanwhile. */
        if (r == -WR_E_NOT_FOUND)
            r = 0;
        else if (r == 0)
            printf("%s\n", id);
    }
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_transport *client = NULL;

    if (values->all == (in->arg_count > 0))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "kill: give sandbox ids, or --all");
    if (values->paused && !values->all)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "kill: --paused goes together with --all");
    int r = wr_cli_connect(in, &client, err);
    if (r == 0 && values->all)
        r = kill_all(client, values->paused, err);
    for (size_t i = 0; r == 0 && i < in->arg_count; i++) {
        r = wr_api_sandbox_kill(client, in->args[i], err);
        if (r == 0)
            printf("%s\n", in->args[i]);
        else if (r == -WR_E_NOT_FOUND)
            r = wr_fail(err, WR_E_NOT_FOUND, 0,
                        "there is no sandbox %.40s; `warren ps` lists those that there are",
                        in->args[i]);
    }
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_kill = {
    .name = "kill",
    .summary = "End sandboxes and delete their files",
    .usage = "ID... | --all [--paused]",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .max_args = SIZE_MAX,
    .run = run,
};
