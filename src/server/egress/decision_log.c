#include "server/egress/decision_log.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"

#define FIRST_ROOM 16 /* events; doubled when they are full */

struct wr_net_log {
    char sandbox_id[64];
    struct wr_net_counters own;
    struct wr_net_counters *counters; /* of all sandboxes; borrowed */
    struct wr_net_event *events;      /* owned; a ring */
    size_t room, count, oldest;
    uint64_t last; /* number of the newest */
    uint64_t read; /* the highest number that was given to a reader */
    struct wr_log_limit denied_limit, allowed_limit;
};

struct wr_net_log *wr_net_log_new(const char *sandbox_id, struct wr_net_counters *counters)
{
    struct wr_net_log *log = wr_calloc(1, sizeof *log);

    if (!log)
        return NULL;
    (void)snprintf(log->sandbox_id, sizeof log->sandbox_id, "%s", sandbox_id);
    log->counters = counters;
    return log;
}

struct wr_net_log *wr_net_log_free(struct wr_net_log *log)
{
    if (!log)
        return NULL;
    log->counters->connections_open -=
        WR_MIN(log->own.connections_open, log->counters->connections_open);
    free(log->events);
    free(log);
    return NULL;
}

static void count(struct wr_net_counters *counters, const struct wr_net_event *event)
{
    bool allowed = event->verdict == WR_NET_ALLOW;

    switch (event->kind) {
    case WR_NET_EVENT_OPEN:
        counters->connections_allowed++;
        counters->connections_open++;
        break;
    case WR_NET_EVENT_CLOSE:
        counters->bytes_out += event->bytes_out;
        counters->bytes_in += event->bytes_in;
        if (counters->connections_open > 0)
            counters->connections_open--;
        break;
    case WR_NET_EVENT_DENY:
        counters->connections_denied++;
        break;
    case WR_NET_EVENT_DNS:
        *(allowed ? &counters->names_allowed : &counters->names_denied) += 1;
        break;
    case WR_NET_EVENT_HTTP:
        *(allowed ? &counters->requests_allowed : &counters->requests_denied) += 1;
        break;
    }
}

static void count_dropped(struct wr_net_log *log)
{
    log->own.events_dropped++;
    log->counters->events_dropped++;
}

static bool grow(struct wr_net_log *log)
{
    size_t room = log->room ? WR_MIN(log->room * 2, (size_t)WR_NET_LOG_EVENTS) : FIRST_ROOM;
    struct wr_net_event *events = wr_calloc(room, sizeof *events);

    if (!events)
        return false;
    for (size_t i = 0; i < log->count; i++)
        events[i] = log->events[(log->oldest + i) % log->room];
    free(log->events);
    log->events = events;
    log->room = room;
    log->oldest = 0;
    return true;
}

/* The place of the next event; NULL: there is no memory for even one. */
static struct wr_net_event *place(struct wr_net_log *log)
{
    if (log->count == log->room && log->room < WR_NET_LOG_EVENTS)
        (void)grow(log); /* without memory the oldest event gives its place */
    if (log->room == 0)
        return NULL;
    if (log->count < log->room)
        return &log->events[(log->oldest + log->count++) % log->room];
    struct wr_net_event *taken = &log->events[log->oldest];
    if (taken->number > log->read)
        count_dropped(log);
    log->oldest = (log->oldest + 1) % log->room;
    return taken;
}

/* A sandbox chose these bytes; they reach terminals and log files. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

static void write_line(struct wr_net_log *log, const struct wr_net_event *event)
{
    bool denied = event->verdict == WR_NET_DENY;
    struct wr_log_limit *limit = denied ? &log->denied_limit : &log->allowed_limit;
    char address[WR_IP_TEXT] = "", port[8], connection[24], out[24], in[24], duration[24];

    if (event->has_address)
        wr_ip_format(&event->address, address);
    (void)snprintf(port, sizeof port, "%u", event->port);
    (void)snprintf(connection, sizeof connection, "%llu", (unsigned long long)event->connection);
    (void)snprintf(out, sizeof out, "%llu", (unsigned long long)event->bytes_out);
    (void)snprintf(in, sizeof in, "%llu", (unsigned long long)event->bytes_in);
    (void)snprintf(duration, sizeof duration, "%llu", (unsigned long long)event->duration_ms);
    wr_log_limited(limit, denied ? WR_LOG_INFO : WR_LOG_DEBUG, "network", "sandbox",
                   log->sandbox_id, "kind", wr_net_event_kind_name(event->kind), "verdict",
                   denied ? "deny" : "allow", "connection", connection, "name", event->name,
                   "address", address, "port", port, "rule", event->rule, "detail", event->detail,
                   "bytes_out", out, "bytes_in", in, "duration_ms", duration, NULL);
}

void wr_net_log_count(struct wr_net_log *log, const struct wr_net_event *event)
{
    count(&log->own, event);
    count(log->counters, event);
}

void wr_net_log_add(struct wr_net_log *log, const struct wr_net_event *event)
{
    struct wr_net_event copy = *event;

    copy.number = ++log->last;
    copy.at_ms = wr_wall_ms();
    make_plain(copy.name);
    make_plain(copy.rule);
    make_plain(copy.detail);
    wr_net_log_count(log, &copy);
    write_line(log, &copy);
    struct wr_net_event *at = place(log);
    if (at)
        *at = copy;
    else
        count_dropped(log);
}

const struct wr_net_event *wr_net_log_next(struct wr_net_log *log, uint64_t after)
{
    if (log->count == 0 || after >= log->last)
        return NULL;
    /* Numbers in the ring have no gaps, unless there was no memory for the first ones. */
    uint64_t first = log->events[log->oldest].number;
    size_t skipped = after < first ? 0 : (size_t)(after - first + 1);
    if (skipped >= log->count)
        return NULL;
    const struct wr_net_event *event = &log->events[(log->oldest + skipped) % log->room];
    log->read = WR_MAX(log->read, event->number);
    return event;
}

uint64_t wr_net_log_last(const struct wr_net_log *log)
{
    return log->last;
}

const struct wr_net_counters *wr_net_log_counters(const struct wr_net_log *log)
{
    return &log->own;
}

const char *wr_net_event_kind_name(enum wr_net_event_kind kind)
{
    static const char *const names[] = {
        [WR_NET_EVENT_OPEN] = "open", [WR_NET_EVENT_CLOSE] = "close", [WR_NET_EVENT_DENY] = "deny",
        [WR_NET_EVENT_DNS] = "dns",   [WR_NET_EVENT_HTTP] = "http",
    };

    return names[kind];
}
