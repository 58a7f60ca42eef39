#include "cli/cmd_kill.h"

#include <stdio.h>

#include "client/sandbox.h"
#include "json/jread.h"

struct values {
    bool all;
};

static const struct wr_opt opts[] = {
    {"all", 'a', WR_OPT_FLAG, offsetof(struct values, all), NULL, "every sandbox", 0, 0, false},
};

static int kill_all(struct wr_client *client, struct wr_error *err)
{
    wr_auto_json *list = NULL;
    json_t *item;
    size_t i;

    int r = wr_sandbox_list(client, &list, err);
    json_array_foreach(list, i, item) {
        const char *id = json_string_value(json_object_get(item, "sandboxID"));
        if (r < 0 || !id)
            break;
        r = wr_sandbox_kill(client, id, err);
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
    struct wr_client *client = NULL;

    if (values->all == (in->arg_count > 0))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "kill: give sandbox ids, or --all");
    int r = wr_cli_connect(in, &client, err);
    if (r == 0 && values->all)
        r = kill_all(client, err);
    for (size_t i = 0; r == 0 && i < in->arg_count; i++) {
        r = wr_sandbox_kill(client, in->args[i], err);
        if (r == 0)
            printf("%s\n", in->args[i]);
        else if (r == -WR_E_NOT_FOUND)
            r = wr_fail(err, WR_E_NOT_FOUND, 0,
                        "there is no sandbox %.40s; `warren ps` lists those that run", in->args[i]);
    }
    wr_client_free(client);
    return r;
}

const struct wr_command wr_cmd_kill = {
    .name = "kill",
    .summary = "End sandboxes and delete their files",
    .usage = "ID... | --all",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .max_args = SIZE_MAX,
    .run = run,
};
