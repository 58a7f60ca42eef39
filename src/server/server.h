/* The server's parts, shared by its files. One instance per process, all on one loop. */
#pragma once

#include "http/server.h"
#include "server/config.h"
#include "server/engine_client.h"
#include "server/events.h"
#include "server/job_turns.h"
#include "server/pausing.h"
#include "server/sandbox_table.h"

struct wr_server;
struct wr_store;
struct wr_auth;
struct wr_durable;
struct wr_blanks;
struct wr_egress;
struct wr_pause_policy;
struct wr_sampler;
struct wr_server_snapshots;
struct wr_templates;
struct wr_volume_contents;
struct wr_volumes;
struct wr_webhooks;

/* One socket that clients connect to; the `data` of its HTTP server's handler. */
struct wr_listener {
    struct wr_server *server;
    enum wr_listener_kind kind;
    bool tls;
    int fd; /* owned; -1 once `http` has it */
    struct wr_http_server
        *http; /* NULL until the table agrees with the engine for the first time */
    struct wr_tls_terminator *terminator; /* in front of `http` with TLS, else NULL */
    struct wr_raw_gate *raw; /* behind `terminator`, where sandboxes have names, else NULL */
};

struct wr_server {
    struct wr_loop *loop;
    struct wr_engine_client *engine;
    struct wr_sandbox_table *sandboxes;
    const struct wr_server_config *config; /* borrowed */
    struct wr_store *store;
    struct wr_auth *auth;
    struct wr_sampler *sampler;
    struct wr_events events;
    struct wr_pausing_counts pausing;
    struct wr_job_turns turns; /* of what is saved and restored */
    struct wr_pause_policy *pause_policy;
    struct wr_durable *durable;
    struct wr_blanks *blanks;
    struct wr_egress *egress;
    struct wr_templates *templates; /* owned; NULL until somebody has asked for them */
    struct wr_server_snapshots *snapshots;
    struct wr_volumes *volumes;
    struct wr_volume_contents *contents; /* the files of volumes */
    struct wr_webhooks *webhooks;
    uint64_t request_number; /* of the last request of the control API */
    struct wr_listener listeners[WR_MAX_LISTENERS];
    size_t listener_count;
    bool accepting; /* the listeners have their HTTP servers */
    int ready_fd;   /* owned; -1 when nobody waits */
    const char *ready_text;
    bool draining;         /* SHUTDOWN was sent: nothing new */
    bool stopping;         /* a signal asked for the end (drain.h) */
    uint64_t drain_end_ms; /* monotonic */
    struct wr_timer drain_timer;
    uint64_t answers[6];     /* of the control API, by the first digit of their status */
    size_t running_requests; /* of the control API, that wait for their body or for the engine */
    size_t running_logs;     /* requests for a log that hold its lines */
    struct wr_signals signals;
    struct wr_timer idle_timer;
    uint64_t idle_timeout_ms;  /* 0: never */
    uint64_t last_activity_ms; /* monotonic: end of the last request or sandbox */
    struct wr_error fatal;     /* why the loop was stopped */
};

/* Something happened that postpones the end of an idle private server. */
void wr_server_touch(struct wr_server *server);
