#include "server/obs/metrics_page.h"

#include "base/prometheus.h"
#include "server/api/errors.h"
#include "server/egress/egress.h"
#include "server/request.h"
#include "server/server.h"

#define MAX_BYTES ((size_t)64 * 1024)

struct states {
    uint64_t running, killing, internal, pausing, resuming, ingress_connections;
    uint64_t paused[WR_PAUSE_LEVELS];
};

static void count_state(struct states *states, const struct wr_sandbox *sandbox)
{
    switch (sandbox->state) {
    case WR_SANDBOX_RUNNING:
        states->running++;
        break;
    case WR_SANDBOX_KILLING:
        states->killing++;
        break;
    case WR_SANDBOX_PAUSING:
        states->pausing++;
        break;
    case WR_SANDBOX_RESUMING:
        states->resuming++;
        break;
    case WR_SANDBOX_PAUSED:
        states->paused[sandbox->level]++;
        break;
    }
}

static struct states count_states(struct wr_server *server)
{
    struct states states = {0};

    wr_list_foreach(link, wr_sandbox_table_all(server->sandboxes)) {
        const struct wr_sandbox *sandbox = wr_list_entry(link, struct wr_sandbox, link);
        if (sandbox->internal)
            states.internal++;
        else
            count_state(&states, sandbox);
        states.ingress_connections += sandbox->connection_count;
    }
    return states;
}

/* A family with one sample. */
static void single(struct wr_prometheus *page, enum wr_prometheus_kind kind, const char *name,
                   const char *help, uint64_t value)
{
    wr_prometheus_family(page, kind, name, help);
    wr_prometheus_sample(page, NULL, NULL, value);
}

/* A family of counters with the samples `label`="a" and `label`="b". */
struct pair {
    const char *name, *help, *label, *a, *b;
    uint64_t value_a, value_b;
};

static void write_pair(struct wr_prometheus *page, const struct pair *pair)
{
    wr_prometheus_family(page, WR_PROMETHEUS_COUNTER, pair->name, pair->help);
    wr_prometheus_sample(page, pair->label, pair->a, pair->value_a);
    wr_prometheus_sample(page, pair->label, pair->b, pair->value_b);
}

/* A family with a sample for each level of a pause. */
static void by_level(struct wr_prometheus *page, enum wr_prometheus_kind kind, const char *name,
                     const char *help, const uint64_t values[static WR_PAUSE_LEVELS])
{
    wr_prometheus_family(page, kind, name, help);
    for (unsigned level = WR_PAUSE_FROZEN; level < WR_PAUSE_LEVELS; level++)
        wr_prometheus_sample(page, "level", wr_pause_level_name((enum wr_pause_level)level),
                             values[level]);
}

/* Sums and counts, from which a mean over any time can be had. */
static void write_pausing(struct wr_prometheus *page, const struct wr_pausing_counts *counts)
{
    const struct {
        const char *name, *help;
        const uint64_t *values;
    } rows[] = {
        {"warren_pauses_total", "Pauses, by the level that was reached.", counts->pauses},
        {"warren_pause_microseconds_total", "Time that these took.", counts->pause_us},
        {"warren_resumes_total", "Resumes, by the level before.", counts->resumes},
        {"warren_resume_microseconds_total", "Time that these took.", counts->resume_us},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        by_level(page, WR_PROMETHEUS_COUNTER, rows[i].name, rows[i].help, rows[i].values);
    write_pair(page, &(struct pair){"warren_pausing_failures_total",
                                    "Pauses and resumes that failed.", "action", "pause", "resume",
                                    counts->pauses_failed, counts->resumes_failed});
}

static void write_turns(struct wr_prometheus *page, const struct wr_job_turns *turns)
{
    single(page, WR_PROMETHEUS_GAUGE, "warren_jobs", "Sandboxes that are being saved or restored.",
           turns->held_count);
    single(page, WR_PROMETHEUS_GAUGE, "warren_jobs_waiting",
           "Sandboxes that wait for their turn to be saved or restored.",
           wr_job_turns_waiting(turns));
}

static void write_sandboxes(struct wr_prometheus *page, struct wr_server *server)
{
    const struct states states = count_states(server);

    wr_prometheus_family(page, WR_PROMETHEUS_GAUGE, "warren_sandboxes",
                         "Sandboxes that exist, by state.");
    wr_prometheus_sample(page, "state", "running", states.running);
    wr_prometheus_sample(page, "state", "killing", states.killing);
    wr_prometheus_sample(page, "state", "internal", states.internal);
    wr_prometheus_sample(page, "state", "pausing", states.pausing);
    wr_prometheus_sample(page, "state", "resuming", states.resuming);
    by_level(page, WR_PROMETHEUS_GAUGE, "warren_sandboxes_paused",
             "Sandboxes that are paused, by level.", states.paused);
    single(page, WR_PROMETHEUS_COUNTER, "warren_sandboxes_created_total",
           "Sandboxes made since the server's start.", server->events.created);
    single(page, WR_PROMETHEUS_COUNTER, "warren_sandboxes_ended_total",
           "Sandboxes that ended since the server's start.", server->events.ended);
    single(page, WR_PROMETHEUS_GAUGE, "warren_ingress_connections",
           "Connections into sandboxes, those that are kept for the next request included.",
           states.ingress_connections);
}

static void write_api(struct wr_prometheus *page, const struct wr_server *server)
{
    static const char *const classes[] = {"", "1xx", "2xx", "3xx", "4xx", "5xx"};

    wr_prometheus_family(page, WR_PROMETHEUS_COUNTER, "warren_api_requests_total",
                         "Answers of the control API, by class of their status.");
    for (size_t i = 2; i < WR_ARRAY_SIZE(classes); i++)
        wr_prometheus_sample(page, "status", classes[i], server->answers[i]);
}

static void write_network(struct wr_prometheus *page, const struct wr_net_counters *counters)
{
    const struct pair pairs[] = {
        {"warren_network_connections_total", "Connections out of sandboxes, by verdict.", "verdict",
         "allow", "deny", counters->connections_allowed, counters->connections_denied},
        {"warren_network_names_total", "Names that sandboxes asked for, by verdict.", "verdict",
         "allow", "deny", counters->names_allowed, counters->names_denied},
        {"warren_network_http_requests_total",
         "HTTP requests of sandboxes that the egress has read, by verdict.", "verdict", "allow",
         "deny", counters->requests_allowed, counters->requests_denied},
        {"warren_network_bytes_total", "Bytes of connections that have ended.", "direction", "out",
         "in", counters->bytes_out, counters->bytes_in},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(pairs); i++)
        write_pair(page, &pairs[i]);
    single(page, WR_PROMETHEUS_GAUGE, "warren_network_connections_open",
           "Connections out of sandboxes that are open.", counters->connections_open);
    single(page, WR_PROMETHEUS_COUNTER, "warren_network_events_dropped_total",
           "Events of network logs that were overwritten before they were read.",
           counters->events_dropped);
}

/* 1: the caller may see the figures, 0: not. */
static int may_see(const struct wr_api_request *request, struct wr_error *err)
{
    struct wr_team team = {0};

    if (request->who.is_operator)
        return 1;
    int r = wr_store_default_team(request->server->store, &team, err);
    return r < 0 ? r : wr_streq(team.id, request->who.team_id);
}

void wr_obs_metrics(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf text = WR_BUF(MAX_BYTES);
    struct wr_error error = {0};
    struct wr_prometheus page;

    (void)match;
    int allowed = may_see(request, &error);
    if (allowed < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    if (!allowed) {
        wr_api_error(ex, 403, "only keys of the default team see the figures of all teams");
        return;
    }
    wr_prometheus_init(&page, &text);
    write_sandboxes(&page, request->server);
    write_pausing(&page, &request->server->pausing);
    write_turns(&page, &request->server->turns);
    write_api(&page, request->server);
    write_network(&page, wr_egress_counters(request->server));
    if (wr_prometheus_finish(&page) < 0)
        wr_api_error(ex, 503, "no memory for the figures");
    else
        wr_exchange_reply(ex, 200, WR_PROMETHEUS_TYPE, wr_buf_ptr(&text), text.len);
}
