/*
 * What the egress has decided, for one sandbox: a ring of events in memory, and the counters of
 * /metrics. Every event is also a line of the structured log (denied ones at level info, others at
 * debug, bounded in rate). Bounded: WR_NET_LOG_EVENTS per sandbox; memory is taken as it fills.
 */
#pragma once

#include "server/egress/policy.h"

#define WR_NET_LOG_EVENTS 512

enum wr_net_event_kind {
    WR_NET_EVENT_OPEN = 0,  /* a connection was allowed */
    WR_NET_EVENT_CLOSE = 1, /* it ended: bytes, duration, reason */
    WR_NET_EVENT_DENY = 2,  /* a connection was refused, or cut by a change of policy */
    WR_NET_EVENT_DNS = 3,   /* a name was asked for */
    WR_NET_EVENT_HTTP = 4,  /* a request through a transform or a domain rule on port 80 */
};

struct wr_net_event {
    uint64_t number; /* set by the log: ascends by 1 */
    uint64_t at_ms;  /* set by the log: wall clock */
    enum wr_net_event_kind kind;
    enum wr_net_verdict verdict;
    uint64_t connection; /* number of the connection within the sandbox; 0: none */
    char name[WR_POLICY_MAX_DOMAIN + 1];
    bool has_address;
    struct wr_ip address;
    uint16_t port;
    char rule[WR_POLICY_RULE_TEXT];
    char detail[96]; /* record type and answer of DNS; method and status of HTTP; why it ended */
    uint64_t bytes_out, bytes_in; /* out of the sandbox, into it */
    uint64_t duration_ms;
};

/* Since the server's start, of all sandboxes or of one. */
struct wr_net_counters {
    uint64_t connections_allowed, connections_denied, connections_open;
    uint64_t names_allowed, names_denied;
    uint64_t requests_allowed, requests_denied; /* HTTP */
    uint64_t bytes_out, bytes_in;
    uint64_t events_dropped; /* overwritten before somebody read them */
};

struct wr_net_log;

/* `counters`, of all sandboxes, is borrowed. NULL without memory. */
struct wr_net_log *wr_net_log_new(const char *sandbox_id, struct wr_net_counters *counters)
    WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_net_log *wr_net_log_free(struct wr_net_log *log);
/* Copies the event. Control bytes and non-ASCII of name and detail become '?'. */
void wr_net_log_add(struct wr_net_log *log, const struct wr_net_event *event);
/* Counts it only, when there are too many of its kind to keep them. */
void wr_net_log_count(struct wr_net_log *log, const struct wr_net_event *event);
/* The first event with a number above `after` that is still there, or NULL. Borrowed until the next
 * wr_net_log_add(). */
const struct wr_net_event *wr_net_log_next(struct wr_net_log *log, uint64_t after);
/* Of the newest event; 0: none yet. */
uint64_t wr_net_log_last(const struct wr_net_log *log);
/* Of this sandbox; borrowed. */
const struct wr_net_counters *wr_net_log_counters(const struct wr_net_log *log);
const char *wr_net_event_kind_name(enum wr_net_event_kind kind); /* "open", "close", ... */
