#include "cli/actions.h"

#include "base/str.h"

#define NAMES_MAX 128 /* bytes of a command's list of them */

static const struct wr_cli_action *find(const struct wr_cli_actions *actions, const char *name)
{
    for (size_t i = 0; i < actions->count; i++)
        if (wr_streq(actions->items[i].name, name))
            return &actions->items[i];
    return NULL;
}

static int unknown(const struct wr_invocation *in, struct wr_error *err)
{
    const struct wr_cli_actions *actions = in->command->actions;
    char names[NAMES_MAX] = "";
    size_t used = 0;

    for (size_t i = 0; i < actions->count; i++) {
        if (!wr_strformat(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                          actions->items[i].name))
            names[used] = '\0';
        used = strlen(names);
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: \"%.40s\" is not one of %s",
                   in->command->name, in->args[0], names);
}

static int connect_and_call(const struct wr_invocation *in, const struct wr_cli_action *action,
                            struct wr_error *err)
{
    struct wr_transport *client = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = action->call(in, client, err);
    wr_transport_free(client);
    return r;
}

int wr_cli_actions_run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct wr_cli_actions *actions = in->command->actions;
    const struct wr_cli_action *action = find(actions, in->args[0]);

    if (!action)
        return unknown(in, err);
    if (in->arg_count < action->min_args || in->arg_count > action->max_args)
        return actions->wrong_count
                   ? actions->wrong_count(in, action, err)
                   : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s %s: too many arguments",
                             in->command->name, action->name);
    int r = actions->check ? actions->check(in, action, err) : 0;
    if (r < 0)
        return r;
    return action->run ? action->run(in, err) : connect_and_call(in, action, err);
}
