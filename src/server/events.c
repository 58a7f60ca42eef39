#include "server/events.h"

#include "base/clock.h"
#include "base/str.h"
#include "log/log.h"
#include "server/request.h"
#include "server/server.h"
#include "server/templates.h"
#include "server/webhooks.h"

/* Behind the answer, and usually behind the client's next request as well. */
#define DELAY_MS 4

struct texts {
    char type[64], detail[96];
};

static void write_line(const struct wr_waiting_event *event)
{
    char message[64], request[WR_REQUEST_ID_LEN + 1] = "";
    /* A client may move a deadline every second. */
    enum wr_log_level level = wr_streq(event->type, "updated") ? WR_LOG_DEBUG : WR_LOG_INFO;

    if (!wr_strformat(message, sizeof message, "sandbox %s", event->type))
        return;
    if (event->cause.request)
        wr_log(level, message, "sandbox", event->sandbox_id, "reason", event->cause.reason,
               "request", wr_request_id(event->cause.request, request), NULL);
    else
        wr_log(level, message, "sandbox", event->sandbox_id, "reason", event->cause.reason, NULL);
}

/* The reasons are of letters, digits and blanks: nothing to escape. */
static bool describe(const struct wr_waiting_event *event, struct texts *out)
{
    return wr_strformat(out->type, sizeof out->type, "sandbox.lifecycle.%s", event->type) &&
           wr_strformat(out->detail, sizeof out->detail, "{\"reason\":\"%s\"}",
                        event->cause.reason);
}

/* Each team once: bursts are of one team, mostly. */
static void wake(struct wr_server *server, const struct wr_events *events)
{
    const char *last = "";

    for (size_t i = 0; i < events->count; i++) {
        if (!wr_streq(events->waiting[i].team_id, last))
            wr_webhooks_wake(server->webhooks, events->waiting[i].team_id);
        last = events->waiting[i].team_id;
    }
}

static void forget(struct wr_events *events)
{
    for (size_t i = 0; i < events->count; i++)
        wr_buf_done(&events->waiting[i].about);
    events->count = 0;
}

void wr_events_flush(struct wr_server *server)
{
    struct wr_events *events = &server->events;
    struct wr_store_event rows[WR_EVENTS_MAX];
    struct texts texts[WR_EVENTS_MAX];
    struct wr_error error = {0};
    size_t count = 0;

    wr_timer_stop(&events->timer);
    for (size_t i = 0; i < events->count; i++) {
        const struct wr_waiting_event *event = &events->waiting[i];
        write_line(event);
        if (!describe(event, &texts[count]))
            continue;
        rows[count] = (struct wr_store_event){.sandbox_id = event->sandbox_id,
                                              .team_id = event->team_id,
                                              .type = texts[count].type,
                                              .detail = texts[count].detail,
                                              .about = wr_buf_cstr(&events->waiting[i].about),
                                              .at_ms = event->at_ms};
        count++;
    }
    if (count > 0 && wr_store_events_add(server->store, rows, count, &error) < 0)
        wr_log(WR_LOG_WARN, "events were not recorded", "error", error.msg, NULL);
    wake(server, events);
    forget(events);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_events_flush(data);
}

/* Of a failure only what is recorded besides it remains. */
static void describe_sandbox(struct wr_server *server, struct wr_waiting_event *event,
                             const struct wr_event_facts *facts)
{
    const struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, event->sandbox_id);
    const struct wr_template_entry *entry =
        sandbox ? wr_templates_find(server->templates, sandbox->template_name) : NULL;
    const struct wr_event_moment moment = {
        .type = event->type, .reason = event->cause.reason, .now_ms = event->at_ms, .facts = facts};

    wr_buf_init(&event->about, WR_EVENT_ABOUT_MAX);
    if (wr_event_about_write(sandbox, entry ? entry->build_id : NULL, &moment, &event->about) < 0)
        wr_buf_clear(&event->about);
    if (event->about.len == 0 && wr_buf_append_str(&event->about, "{}") < 0)
        wr_log(WR_LOG_WARN, "no memory for an event", "sandbox", event->sandbox_id, NULL);
}

void wr_event(struct wr_server *server, const char *sandbox_id, const char *team_id,
              const char *type, const struct wr_cause *cause)
{
    wr_event_with(server, sandbox_id, team_id, type, cause, NULL);
}

void wr_event_with(struct wr_server *server, const char *sandbox_id, const char *team_id,
                   const char *type, const struct wr_cause *cause,
                   const struct wr_event_facts *facts)
{
    struct wr_events *events = &server->events;
    struct wr_error ignored = {0};

    events->created += wr_streq(type, "created");
    events->ended += wr_streq(type, "killed");
    if (events->count == WR_EVENTS_MAX)
        wr_events_flush(server);
    struct wr_waiting_event *event = &events->waiting[events->count];
    *event = (struct wr_waiting_event){.type = type, .cause = *cause, .at_ms = wr_wall_ms()};
    if (!wr_strcopy(event->sandbox_id, sizeof event->sandbox_id, sandbox_id) ||
        !wr_strcopy(event->team_id, sizeof event->team_id, team_id))
        return;
    describe_sandbox(server, event, facts);
    events->count++;
    if (!events->timer.loop &&
        wr_timer_start(server->loop, &events->timer, DELAY_MS, on_timer, server, &ignored) < 0)
        wr_events_flush(server);
}
