#include "cli/cmd_events.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "cli/event_names.h"
#include "cli/out.h"
#include "cli/team_choice.h"
#include "client/webhooks.h"
#include "json/jread.h"

struct values {
    struct wr_opt_list types;
    const char *team;
    uint64_t limit;
    bool json;
};

static const struct wr_opt opts[] = {
    {"type", 't', WR_OPT_LIST, offsetof(struct values, types), "TYPE",
     "only these: created, paused, resumed, updated, checkpointed, killed; may be repeated", 0, 0,
     false, NULL},
    {"limit", 'n', WR_OPT_U64, offsetof(struct values, limit), "N", "at most so many (20)", 1, 100,
     false, NULL},
    {"team", 0, WR_OPT_STRING, offsetof(struct values, team), "TEAM",
     "id or name of the team whose sandboxes are meant (all)", 0, 0, false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "JSON, as the API has it", 0, 0,
     false, NULL},
};

#define LIMIT_DEFAULT 20

/* "paused (timeout, hibernated)" */
static void write_what(const json_t *event, char *out, size_t cap)
{
    const json_t *data = json_object_get(event, "eventData");
    const char *type = json_string_value(json_object_get(event, "type"));
    const char *reason = json_string_value(json_object_get(data, "reason"));
    const char *level = json_string_value(json_object_get(data, "level"));
    const char *snapshot = json_string_value(json_object_get(data, "snapshot_id"));
    const char *more = level ? level : snapshot;
    const char *dot = type ? strrchr(type, '.') : NULL;

    if (!wr_strformat(out, cap, "%s%s%s%s%s%s", dot ? dot + 1 : "", reason ? " (" : "",
                      reason ? reason : "", reason && more ? ", " : "", reason && more ? more : "",
                      reason ? ")" : ""))
        out[0] = '\0';
}

static int print_table(const json_t *events, struct wr_error *err)
{
    static const char *const headers[] = {"AGE", "SANDBOX", "EVENT"};
    uint64_t now_ms = wr_wall_ms();
    struct wr_table table;
    json_t *event;
    size_t i;

    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach((json_t *)(uintptr_t)events, i, event) {
        uint64_t at_ms = wr_parse_time(json_string_value(json_object_get(event, "timestamp")));
        const char *id = json_string_value(json_object_get(event, "sandboxId"));
        char age[32], what[320];
        wr_format_span(now_ms > at_ms ? now_ms - at_ms : 0, age, sizeof age);
        write_what(event, what, sizeof what);
        wr_table_cell(&table, age);
        wr_table_cell(&table, id ? id : "");
        wr_table_cell(&table, what);
    }
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int write_types(const struct wr_event_names *names, struct wr_buf *out, struct wr_error *err)
{
    for (size_t i = 0; i < names->count; i++)
        if ((i > 0 && wr_buf_append_char(out, ',') < 0) ||
            wr_buf_append_str(out, names->items[i]) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "types of events");
    return wr_buf_cstr(out) ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "types of events");
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_buf types = WR_BUF(512);
    struct wr_transport *client = NULL;
    wr_auto_json *events = NULL;
    struct wr_event_names names;
    char team_id[37] = "";

    int r = wr_event_names_read(&values->types, &names, err);
    if (r == 0)
        r = write_types(&names, &types, err);
    if (r == 0)
        r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_team_choose(client, values->team, team_id, err);
    const struct wr_api_event_query query = {
        .sandbox_id = in->arg_count > 0 ? in->args[0] : NULL,
        .team_id = team_id[0] ? team_id : NULL,
        .types = values->types.count > 0 ? wr_buf_ptr(&types) : NULL,
        .limit = values->limit ? values->limit : LIMIT_DEFAULT,
    };
    if (r == 0)
        r = wr_api_event_list(client, &query, &events, err);
    wr_transport_free(client);
    if (r < 0)
        return r;
    return values->json ? wr_print_json(events, err) : print_table(events, err);
}

const struct wr_command wr_cmd_events = {
    .name = "events",
    .summary = "Show what has happened to sandboxes",
    .usage = "[ID] [--type TYPE]... [--limit N]",
    .details =
        "The newest first: created, paused, resumed, updated, checkpointed (a snapshot was\n"
        "taken) and killed, with the reason: request, timeout, oom, exited, lost ... Events\n"
        "are kept for seven days, those of sandboxes that are gone too.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 0,
    .max_args = 1,
    .run = run,
};
