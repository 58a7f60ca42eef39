#include "cli/cmd_team.h"

#include <stdio.h>

#include "cli/actions.h"
#include "cli/out.h"
#include "client/keys.h"
#include "json/jread.h"

struct values {
    bool json;
};

static const struct wr_opt opts[] = {
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "JSON, as the API has it", 0, 0,
     false, NULL},
};

static int create(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_json *team = NULL;

    if (in->arg_count < 2)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "team create: the name is missing");
    int r = wr_team_create(client, in->args[1], &team, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(team, err);
    const char *id = json_string_value(json_object_get(team, "teamID"));
    printf("%s\n", id ? id : "");
    return 0;
}

static int list(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    static const char *const headers[] = {"ID", "NAME", "SHORT NAME", "DEFAULT"};
    static const char *const members[] = {"teamID", "name", "slug"};
    const struct values *values = in->values;
    wr_auto_json *teams = NULL;
    struct wr_table table;
    json_t *team;
    size_t i;

    int r = wr_team_list(client, &teams, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(teams, err);
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(teams, i, team) {
        for (size_t m = 0; m < WR_ARRAY_SIZE(members); m++)
            wr_table_cell(&table, json_string_value(json_object_get(team, members[m])));
        wr_table_cell(&table, json_is_true(json_object_get(team, "isDefault")) ? "yes" : "");
    }
    r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static const struct wr_cli_action items[] = {
    {.name = "create", .min_args = 1, .max_args = 2, .call = create},
    {.name = "ls", .min_args = 1, .max_args = 1, .call = list},
};

static const struct wr_cli_actions actions = {.items = items, .count = WR_ARRAY_SIZE(items)};

const struct wr_command wr_cmd_team = {
    .name = "team",
    .summary = "Make and list teams",
    .usage = "create NAME | ls [--json]",
    .actions = &actions,
    .details = "An API key acts for one team, and teams do not see each other's sandboxes. What\n"
               "commands on this host make belongs to the default team.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 2,
    .run = wr_cli_actions_run,
};
