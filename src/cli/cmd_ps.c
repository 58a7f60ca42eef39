#include "cli/cmd_ps.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/out.h"
#include "client/keys.h"
#include "client/sandbox.h"
#include "json/jread.h"

struct values {
    bool json;
};

static const struct wr_opt opts[] = {
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "a JSON array, as the API has it",
     0, 0, false},
};

/* Whether the sandboxes belong to more than one team. */
static bool several_teams(const json_t *list)
{
    const char *first = json_string_value(json_object_get(json_array_get(list, 0), "teamID"));

    for (size_t i = 1; first && i < json_array_size(list); i++) {
        const char *team = json_string_value(json_object_get(json_array_get(list, i), "teamID"));
        if (team && !wr_streq(team, first))
            return true;
    }
    return false;
}

/* `teams` NULL: without that column. */
static void add_row(struct wr_table *table, const json_t *item, const json_t *teams,
                    uint64_t now_ms)
{
    const json_t *limits = json_object_get(item, "limits");
    const char *alias = json_string_value(json_object_get(item, "alias"));
    const char *team_id = json_string_value(json_object_get(item, "teamID"));
    uint64_t start = wr_parse_time(json_string_value(json_object_get(item, "startedAt")));
    uint64_t end = wr_parse_time(json_string_value(json_object_get(item, "endAt")));
    json_int_t cpu = json_integer_value(json_object_get(limits, "cpuMillis"));
    json_int_t memory = json_integer_value(json_object_get(limits, "memoryBytes"));
    char text[32];

    wr_table_cell(table, json_string_value(json_object_get(item, "sandboxID")));
    wr_table_cell(table, alias ? alias : json_string_value(json_object_get(item, "templateID")));
    wr_table_cell(table, json_string_value(json_object_get(item, "state")));
    wr_format_span(now_ms > start ? now_ms - start : 0, text, sizeof text);
    wr_table_cell(table, text);
    wr_format_span(end > now_ms ? end - now_ms : 0, text, sizeof text);
    wr_table_cell(table, text);
    if (!wr_strformat(text, sizeof text, "%g", (double)cpu / 1000))
        text[0] = '\0';
    wr_table_cell(table, text);
    wr_format_size(memory > 0 ? (uint64_t)memory : 0, text, sizeof text);
    wr_table_cell(table, text);
    if (teams) {
        const json_t *team = team_id ? wr_team_find(teams, team_id) : NULL;
        wr_table_cell(table, team ? json_string_value(json_object_get(team, "name")) : team_id);
    }
}

static int print_table(struct wr_client *client, const json_t *list, struct wr_error *err)
{
    static const char *const headers[] = {"ID",   "TEMPLATE", "STATE",  "AGE",
                                          "LEFT", "CPU",      "MEMORY", "TEAM"};
    wr_auto_json *teams = NULL;
    struct wr_table table;
    json_t *item;
    size_t i;

    if (several_teams(list)) {
        int r = wr_team_list(client, &teams, err);
        if (r < 0)
            return r;
    }
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers) - (teams ? 0 : 1));
    json_array_foreach(list, i, item)
        add_row(&table, item, teams, wr_wall_ms());
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_client *client = NULL;
    wr_auto_json *list = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_sandbox_list(client, &list, err);
    if (r == 0)
        r = values->json ? wr_print_json(list, err) : print_table(client, list, err);
    wr_client_free(client);
    return r;
}

const struct wr_command wr_cmd_ps = {
    .name = "ps",
    .summary = "List sandboxes",
    .usage = "[--json]",
    .details = "AGE is the time since the start, LEFT the time until the deadline; CPU and MEMORY\n"
               "are limits. TEAM is shown when there are sandboxes of several.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
