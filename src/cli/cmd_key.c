#include "cli/cmd_key.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "cli/actions.h"
#include "cli/out.h"
#include "cli/team_choice.h"
#include "client/keys.h"
#include "json/jread.h"

#define DEFAULT_NAME "warren key create"

struct values {
    const char *name, *team;
    bool json;
};

static const struct wr_opt opts[] = {
    {"name", 'n', WR_OPT_STRING, offsetof(struct values, name), "NAME",
     "create: what the key is called in lists", 0, 0, false, NULL},
    {"team", 0, WR_OPT_STRING, offsetof(struct values, team), "TEAM",
     "create: id or name of the team that it acts for", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "create, ls: JSON, as the API has it", 0, 0, false, NULL},
};

static int create(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_json *key = NULL;
    char team_id[37];

    if (in->arg_count > 1 && values->name)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "key create: the name is given twice");
    const char *name = in->arg_count > 1 ? in->args[1] : values->name ? values->name : DEFAULT_NAME;
    int r = wr_team_choose(client, values->team, team_id, err);
    if (r == 0)
        r = wr_key_create(client, name, *team_id ? team_id : NULL, &key, err);
    if (r < 0)
        return r;
    if (values->json)
        return wr_print_json(key, err);
    printf("%s\n", json_string_value(json_object_get(key, "key")));
    return 0;
}

/* "e2b_1f...9c03" */
static void format_mask(const json_t *mask, char *out, size_t cap)
{
    static const char *const names[] = {"prefix", "maskedValuePrefix", "maskedValueSuffix"};
    const char *parts[3];

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        const char *text = json_string_value(json_object_get(mask, names[i]));
        parts[i] = text ? text : "";
    }
    if (!wr_strformat(out, cap, "%s%s...%s", parts[0], parts[1], parts[2]))
        out[0] = '\0';
}

static void add_span(struct wr_table *table, const json_t *time, const char *otherwise)
{
    uint64_t now_ms = wr_wall_ms(), at_ms = wr_parse_time(json_string_value(time));
    char text[32];

    wr_format_span(now_ms > at_ms ? now_ms - at_ms : 0, text, sizeof text);
    wr_table_cell(table, json_is_string(time) ? text : otherwise);
}

static void add_row(struct wr_table *table, const json_t *key, const json_t *teams)
{
    const char *team_id = json_string_value(json_object_get(key, "teamID"));
    const json_t *team = team_id ? wr_team_find(teams, team_id) : NULL;
    char mask[64];

    format_mask(json_object_get(key, "mask"), mask, sizeof mask);
    wr_table_cell(table, json_string_value(json_object_get(key, "id")));
    wr_table_cell(table, json_string_value(json_object_get(key, "name")));
    wr_table_cell(table, mask);
    wr_table_cell(table, team ? json_string_value(json_object_get(team, "name")) : team_id);
    add_span(table, json_object_get(key, "createdAt"), "");
    add_span(table, json_object_get(key, "lastUsed"), "never");
}

static int list(const struct wr_invocation *in, struct wr_transport *client, struct wr_error *err)
{
    static const char *const headers[] = {"ID", "NAME", "KEY", "TEAM", "AGE", "USED"};
    const struct values *values = in->values;
    wr_auto_json *keys = NULL, *teams = NULL;
    struct wr_table table;
    json_t *key;
    size_t i;

    int r = wr_key_list(client, &keys, err);
    if (r < 0 || values->json)
        return r < 0 ? r : wr_print_json(keys, err);
    r = wr_team_list(client, &teams, err);
    if (r < 0)
        return r;
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(keys, i, key)
        add_row(&table, key, teams);
    r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int remove_one(const struct wr_invocation *in, struct wr_transport *client,
                      struct wr_error *err)
{
    if (in->arg_count < 2)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "key rm: the id is missing");
    int r = wr_key_remove(client, in->args[1], err);
    return r == -WR_E_NOT_FOUND
               ? wr_fail(err, WR_E_NOT_FOUND, 0,
                         "there is no key %.40s; `warren key ls` lists those that there are",
                         in->args[1])
               : r;
}

static const struct wr_cli_action items[] = {
    {.name = "create", .min_args = 1, .max_args = 2, .call = create},
    {.name = "ls", .min_args = 1, .max_args = 1, .call = list},
    {.name = "rm", .min_args = 1, .max_args = 2, .call = remove_one},
};

static const struct wr_cli_actions actions = {.items = items, .count = WR_ARRAY_SIZE(items)};

const struct wr_command wr_cmd_key = {
    .name = "key",
    .summary = "Make, list and remove API keys",
    .usage = "create [NAME] [--team TEAM] | ls [--json] | rm ID",
    .actions = &actions,
    .details = "create prints the key, which is shown only then: the server keeps a hash of it.\n"
               "A removed key is refused from then on; sandboxes that were made with it go on.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = 2,
    .run = wr_cli_actions_run,
};
