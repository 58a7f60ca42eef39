#include "server/event_json.h"

#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "json/jread.h"

#define VERSION "v2"

enum member { EXECUTION, TEMPLATE, BUILD, MEMBERS };

/* The two spellings of the same members. */
struct spelling {
    const char *category, *label, *data, *sandbox, *team;
    const char *members[MEMBERS];
};

static const char *const stored[MEMBERS] = {
    [EXECUTION] = "execution", [TEMPLATE] = "template", [BUILD] = "build"};

static const struct spelling api_spelling = {
    "eventCategory",
    "eventLabel",
    "eventData",
    "sandboxId",
    "sandboxTeamId",
    {[EXECUTION] = "sandboxExecutionId",
     [TEMPLATE] = "sandboxTemplateId",
     [BUILD] = "sandboxBuildId"},
};
static const struct spelling payload_spelling = {
    "event_category",
    "event_label",
    "event_data",
    "sandbox_id",
    "sandbox_team_id",
    {[EXECUTION] = "sandbox_execution_id",
     [TEMPLATE] = "sandbox_template_id",
     [BUILD] = "sandbox_build_id"},
};

static void write_data(struct wr_jw *w, const char *name, const json_t *about)
{
    const json_t *data = json_object_get(about, "data");
    char *text = data ? json_dumps(data, JSON_COMPACT) : NULL;

    wr_jw_key(w, name);
    if (text)
        wr_jw_raw(w, text, strlen(text));
    else
        wr_jw_null(w);
    free(text);
}

static void write_event(struct wr_jw *w, const struct wr_store_event *event,
                        const struct spelling *names)
{
    struct wr_error ignored = {0};
    wr_auto_json *about = NULL;
    char time[25];

    /* One that was written by an older server says less. */
    (void)!wr_json_parse(event->about, strlen(event->about), &about, &ignored);
    wr_format_rfc3339(event->at_ms, time);
    wr_jw_object(w);
    wr_jw_kstr(w, "id", json_string_value(json_object_get(about, "id")));
    wr_jw_kstr(w, "version", VERSION);
    wr_jw_kstr(w, "type", event->type);
    wr_jw_kstr(w, "timestamp", time);
    wr_jw_kstr(w, names->category, "lifecycle");
    wr_jw_kstr(w, names->label, wr_event_type_label(event->type));
    write_data(w, names->data, about);
    wr_jw_kstr(w, names->sandbox, event->sandbox_id);
    for (size_t i = 0; i < MEMBERS; i++)
        wr_jw_kstr(w, names->members[i], json_string_value(json_object_get(about, stored[i])));
    wr_jw_kstr(w, names->team, event->team_id);
    wr_jw_end(w);
}

void wr_event_write_api(struct wr_jw *w, const struct wr_store_event *event)
{
    write_event(w, event, &api_spelling);
}

void wr_event_write_payload(struct wr_jw *w, const struct wr_store_event *event)
{
    write_event(w, event, &payload_spelling);
}
