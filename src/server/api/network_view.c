#include "server/api/network_view.h"

#include "base/parse.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/find.h"
#include "server/api/network_config.h"
#include "server/api/sandbox_json.h"
#include "server/egress/egress.h"
#include "server/server.h"

#define MAX_FLOWS     1000 /* in one answer, the oldest */
#define LIMIT_DEFAULT 100
#define LIMIT_MAX     1000                      /* more than there are */
#define MAX_BYTES     ((size_t)4 * 1024 * 1024) /* settings of 512 KiB, or MAX_FLOWS connections */

/* ---- settings, counters, connections ---- */

struct flows {
    struct wr_jw *w;
    size_t count;
};

static void write_address(struct wr_jw *w, const struct wr_ip *address, uint16_t port)
{
    char text[WR_IP_TEXT];

    wr_ip_format(address, text);
    wr_jw_kstr(w, "address", text);
    wr_jw_ku64(w, "port", port);
}

static void write_flow(const struct wr_net_flow *flow, void *data)
{
    struct flows *flows = data;
    struct wr_jw *w = flows->w;

    if (flows->count++ >= MAX_FLOWS)
        return;
    wr_jw_object(w);
    wr_jw_ku64(w, "connection", flow->connection);
    wr_api_write_time(w, "since", flow->began_ms);
    wr_jw_kstr(w, "name", flow->name);
    write_address(w, &flow->address, flow->port);
    wr_jw_ku64(w, "bytesOut", flow->bytes_out);
    wr_jw_ku64(w, "bytesIn", flow->bytes_in);
    wr_jw_end(w);
}

static void write_counters(struct wr_jw *w, const struct wr_net_counters *counters)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"connectionsAllowed", counters->connections_allowed},
        {"connectionsDenied", counters->connections_denied},
        {"connectionsOpen", counters->connections_open},
        {"namesAllowed", counters->names_allowed},
        {"namesDenied", counters->names_denied},
        {"requestsAllowed", counters->requests_allowed},
        {"requestsDenied", counters->requests_denied},
        {"bytesOut", counters->bytes_out},
        {"bytesIn", counters->bytes_in},
        {"eventsDropped", counters->events_dropped},
    };

    wr_jw_key(w, "counters");
    wr_jw_object(w);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        wr_jw_ku64(w, rows[i].name, rows[i].value);
    wr_jw_end(w);
}

static void write_policy(struct wr_jw *w, const struct wr_sandbox *sandbox, const json_t *network)
{
    const json_t *internet = json_object_get(sandbox->settings, "allowInternetAccess");

    wr_jw_kbool(w, "allowInternetAccess", !json_is_false(internet));
    wr_jw_key(w, "network");
    if (network) {
        wr_api_write_value(w, network);
    } else {
        wr_jw_object(w);
        wr_jw_end(w);
    }
}

static void write_limits(struct wr_jw *w, const struct wr_egress_config *config)
{
    wr_jw_key(w, "limits");
    wr_jw_object(w);
    wr_jw_ku64(w, "connections", config->max_connections);
    wr_jw_ku64(w, "bytesPerSecond", config->bandwidth_bytes_per_s);
    wr_jw_end(w);
}

void wr_api_network_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_egress_config *config = &request->server->config->egress;
    const struct wr_sandbox *sandbox =
        wr_api_find(request->server, ex, &request->who, match->params[0]);
    static const struct wr_net_counters none;

    if (!sandbox)
        return;
    const json_t *kept = json_object_get(sandbox->settings, "network");
    wr_auto_json *network = kept ? wr_network_config_shown(kept) : NULL;
    const struct wr_net_log *log = wr_egress_log(sandbox);
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_jw w;
    struct flows flows = {.w = &w};

    if (kept && !network) {
        wr_api_error(ex, 503, "no memory for the sandbox's network");
        return;
    }
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kbool(&w, "egress", !config->off && log);
    write_policy(&w, sandbox, network);
    write_limits(&w, config);
    write_counters(&w, log ? wr_net_log_counters(log) : &none);
    wr_jw_key(&w, "connections");
    wr_jw_array(&w);
    if (log)
        wr_egress_flows(sandbox, write_flow, &flows);
    wr_jw_end(&w);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

/* ---- log ---- */

static void write_event(struct wr_jw *w, const struct wr_net_event *event)
{
    wr_jw_object(w);
    wr_jw_ku64(w, "number", event->number);
    wr_api_write_time(w, "at", event->at_ms);
    wr_jw_kstr(w, "kind", wr_net_event_kind_name(event->kind));
    wr_jw_kstr(w, "verdict", event->verdict == WR_NET_ALLOW ? "allow" : "deny");
    wr_jw_ku64(w, "connection", event->connection);
    wr_jw_kstr(w, "name", event->name);
    if (event->has_address)
        write_address(w, &event->address, event->port);
    else if (event->port)
        wr_jw_ku64(w, "port", event->port);
    wr_jw_kstr(w, "rule", event->rule);
    wr_jw_kstr(w, "detail", event->detail);
    wr_jw_ku64(w, "bytesOut", event->bytes_out);
    wr_jw_ku64(w, "bytesIn", event->bytes_in);
    wr_jw_ku64(w, "durationMs", event->duration_ms);
    wr_jw_end(w);
}

static int read_number(const struct wr_exchange *ex, const char *name, uint64_t min, uint64_t max,
                       uint64_t *ret, struct wr_error *err)
{
    char text[24];

    int r = wr_exchange_query(ex, name, text, sizeof text, err);
    if (r == 0)
        return 0;
    if (r < 0 || wr_parse_u64(text, min, max, ret) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "validation error: %s: a whole number from %llu to %llu", name,
                       (unsigned long long)min, (unsigned long long)max);
    return 0;
}

static void reply_log(struct wr_exchange *ex, struct wr_net_log *log, uint64_t after,
                      uint64_t limit)
{
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    const struct wr_net_event *event;
    uint64_t dropped = 0, last = log ? wr_net_log_last(log) : 0;
    struct wr_jw w;

    /* Numbers begin anew with each start of the server: the reader's is of a log that is gone. */
    if (after > last)
        after = 0;
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_key(&w, "events");
    wr_jw_array(&w);
    for (uint64_t i = 0; log && i < limit && (event = wr_net_log_next(log, after)); i++) {
        dropped += event->number - after - 1;
        after = event->number;
        write_event(&w, event);
    }
    wr_jw_end(&w);
    wr_jw_ku64(&w, "next", after);
    wr_jw_ku64(&w, "dropped", dropped);
    wr_jw_end(&w);
    wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

void wr_api_network_log(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const struct wr_sandbox *sandbox =
        wr_api_find(request->server, ex, &request->who, match->params[0]);
    uint64_t after = 0, limit = LIMIT_DEFAULT;
    struct wr_error error = {0};

    if (!sandbox)
        return;
    int r = read_number(ex, "after", 0, UINT64_MAX, &after, &error);
    if (r == 0)
        r = read_number(ex, "limit", 1, LIMIT_MAX, &limit, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        reply_log(ex, wr_egress_log(sandbox), after, limit);
}
