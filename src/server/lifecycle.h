/*
 * The life of sandboxes as the server drives it: deadlines, settings, the end. The engine has the
 * truth about existence, the store has the server's half; every change is in the store before a
 * client is told. Their beginning is in creation.h.
 */
#pragma once

#include <jansson.h>

#include "server/main.h"
#include "server/sandbox_table.h"

struct wr_server;

#define WR_DEADLINE_RETRY_MS 5000 /* of a pause at the deadline that failed */

/* Why something happens to a sandbox; for log lines and events. */
struct wr_cause {
    const char *reason; /* a static string */
    uint64_t request;   /* number of the client's request, 0: none */
};

/* `error` NULL means done. */
typedef void (*wr_done_fn)(const struct wr_error *error, void *data);

/* Kills a sandbox that has no record and that no client knows. */
void wr_lifecycle_kill_orphan(struct wr_server *server, const char *id);
/* Cuts its connections, hides it from clients, and kills it; a failure is retried until the engine
 * agrees. `fn` (may be NULL) is called once, later, unless this function fails. */
int wr_lifecycle_kill(struct wr_server *server, struct wr_sandbox *sandbox,
                      const struct wr_cause *cause, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
/* What happens at its deadline, now: it is paused if its creator wants that, else killed. `fn` as
 * above. */
int wr_lifecycle_expire(struct wr_server *server, struct wr_sandbox *sandbox,
                        const struct wr_cause *cause, wr_done_fn fn, void *data,
                        struct wr_error *err) WR_MUST_CHECK;
/* Moves the deadline to `delay_ms` from now. */
int wr_lifecycle_set_deadline(struct wr_server *server, struct wr_sandbox *sandbox,
                              uint64_t delay_ms, const struct wr_cause *cause, struct wr_error *err)
    WR_MUST_CHECK;
/* Replaces the settings; a reference is taken. */
int wr_lifecycle_set_settings(struct wr_server *server, struct wr_sandbox *sandbox,
                              json_t *settings, const struct wr_cause *cause, struct wr_error *err)
    WR_MUST_CHECK;
/* The engine says that the sandbox is gone; unknown ids are ignored. */
void wr_lifecycle_gone(struct wr_server *server, const char *id, const char *reason);
/* The end of a sandbox: its row and its record go. */
void wr_lifecycle_ended(struct wr_server *server, struct wr_sandbox *sandbox,
                        const struct wr_cause *cause);
/* (Re)arms the timer of the sandbox's deadline. */
void wr_lifecycle_arm(struct wr_server *server, struct wr_sandbox *sandbox, uint64_t delay_ms);
/* Drops every record without touching the sandboxes and their rows: the server is ending. */
void wr_lifecycle_forget_all(struct wr_server *server);
