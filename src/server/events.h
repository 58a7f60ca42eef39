/*
 * Events of a sandbox's life: a line of the log, and an entry in the store that clients can read.
 * They are kept for a moment and written together: whoever asked for the sandbox does not wait for
 * its event, and a burst costs one transaction. What reads events of the store calls
 * wr_events_flush() first. A kill -9 of the server loses those of the last milliseconds.
 */
#pragma once

#include "server/event_about.h"
#include "server/lifecycle.h"

#define WR_EVENTS_MAX 64 /* waiting; more are written at once */

/* Part of struct wr_server; zeroed at the start. */
struct wr_events {
    struct wr_waiting_event {
        char sandbox_id[WR_ID_LEN + 1];
        char team_id[WR_UUID_LEN + 1];
        const char *type; /* static */
        struct wr_cause cause;
        struct wr_buf about;
        uint64_t at_ms;
    } waiting[WR_EVENTS_MAX];
    size_t count;
    uint64_t created, ended; /* sandboxes, since the server's start */
    struct wr_timer timer;
};

/* `type` is what follows "sandbox.lifecycle." (event_type.h), a static string. */
void wr_event(struct wr_server *server, const char *sandbox_id, const char *team_id,
              const char *type, const struct wr_cause *cause);
/* With what only the caller knows. */
void wr_event_with(struct wr_server *server, const char *sandbox_id, const char *team_id,
                   const char *type, const struct wr_cause *cause,
                   const struct wr_event_facts *facts);
/* Writes what waits, and tells the webhooks that there is something new. A store that does not take
 * it is logged and otherwise ignored: what has happened has happened. */
void wr_events_flush(struct wr_server *server);
