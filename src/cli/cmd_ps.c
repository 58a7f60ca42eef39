#include "cli/cmd_ps.h"

#include "base/clock.h"
#include "base/parse.h"
#include "base/str.h"
#include "cli/out.h"
#include "client/api_sandbox.h"
#include "client/keys.h"
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

static bool any_paused(const json_t *list)
{
    const json_t *item;
    size_t i;

    json_array_foreach(list, i, item)
        if (json_object_get(item, "pause"))
            return true;
    return false;
}

/* Which columns there are. */
struct view {
    const json_t *teams; /* NULL: without that of teams */
    bool pause;
    uint64_t now_ms;
};

static void add_span(struct wr_table *table, bool known, uint64_t ms)
{
    char text[32];

    wr_format_span(ms, text, sizeof text);
    wr_table_cell(table, known ? text : NULL);
}

static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

static void add_row(struct wr_table *table, const json_t *item, const struct view *view)
{
    const json_t *limits = json_object_get(item, "limits"), *pause = json_object_get(item, "pause");
    const char *alias = json_string_value(json_object_get(item, "alias"));
    const char *team_id = json_string_value(json_object_get(item, "teamID"));
    uint64_t start = wr_parse_time(json_string_value(json_object_get(item, "startedAt")));
    uint64_t end = wr_parse_time(json_string_value(json_object_get(item, "endAt")));
    uint64_t paused = wr_parse_time(json_string_value(json_object_get(pause, "pausedAt")));
    json_int_t cpu = json_integer_value(json_object_get(limits, "cpuMillis"));
    json_int_t memory = json_integer_value(json_object_get(limits, "memoryBytes"));
    char text[32];

    wr_table_cell(table, json_string_value(json_object_get(item, "sandboxID")));
    wr_table_cell(table, alias ? alias : json_string_value(json_object_get(item, "templateID")));
    wr_table_cell(table, json_string_value(json_object_get(item, "state")));
    if (view->pause) {
        wr_table_cell(table, json_string_value(json_object_get(pause, "level")));
        add_span(table, paused > 0, since(view->now_ms, paused));
    }
    add_span(table, true, since(view->now_ms, start));
    /* The lifetime of a paused one does not pass. */
    add_span(table, !pause, since(end, view->now_ms));
    if (!wr_strformat(text, sizeof text, "%g", (double)cpu / 1000))
        text[0] = '\0';
    wr_table_cell(table, text);
    wr_format_size(memory > 0 ? (uint64_t)memory : 0, text, sizeof text);
    wr_table_cell(table, text);
    if (view->teams) {
        const json_t *team = team_id ? wr_team_find(view->teams, team_id) : NULL;
        wr_table_cell(table, team ? json_string_value(json_object_get(team, "name")) : team_id);
    }
}

static int print_table(struct wr_transport *client, const json_t *list, struct wr_error *err)
{
    struct view view = {.pause = any_paused(list), .now_ms = wr_wall_ms()};
    const char *headers[WR_TABLE_MAX_COLUMNS] = {"ID", "TEMPLATE", "STATE"};
    wr_auto_json *teams = NULL;
    struct wr_table table;
    size_t columns = 3;
    json_t *item;
    size_t i;

    if (several_teams(list)) {
        int r = wr_team_list(client, &teams, err);
        if (r < 0)
            return r;
    }
    view.teams = teams;
    if (view.pause) {
        headers[columns++] = "LEVEL";
        headers[columns++] = "SINCE";
    }
    headers[columns++] = "AGE";
    headers[columns++] = "LEFT";
    headers[columns++] = "CPU";
    headers[columns++] = "MEMORY";
    if (teams)
        headers[columns++] = "TEAM";
    wr_table_init(&table, headers, columns);
    json_array_foreach(list, i, item)
        add_row(&table, item, &view);
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_transport *client = NULL;
    wr_auto_json *list = NULL;

    int r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_api_sandbox_list(client, &list, err);
    if (r == 0)
        r = values->json ? wr_print_json(list, err) : print_table(client, list, err);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_ps = {
    .name = "ps",
    .summary = "List sandboxes, running and paused",
    .usage = "[--json]",
    .details =
        "AGE is the time since the start, LEFT the time until the deadline; CPU and MEMORY\n"
        "are limits. For paused ones, if there are any, LEVEL says how deep (frozen, paged:\n"
        "in memory; hibernated: on the disk) and SINCE for how long. TEAM is shown when\n"
        "there are sandboxes of several.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
