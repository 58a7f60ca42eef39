/* The life of sandboxes as the server drives it: create, kill, deadlines, and agreement with the
 * engine. */
#pragma once

#include <jansson.h>

#include "server/main.h"
#include "server/sandbox_table.h"

#define WR_CREATE_SOCKETS 4 /* spare ingress sockets that come with a new sandbox */

struct wr_server;

struct wr_create_spec {
    const char *template_name; /* a valid name */
    uint64_t timeout_ms;
    const json_t *env_vars; /* an object of strings, or NULL; borrowed during the call */
    json_t *metadata; /* an object that passed wr_metadata_check(), or NULL; a reference is taken */
    struct wr_sandbox_limits limits; /* 0: the template's or the built-in default */
};

/* Exactly one of `sandbox` (owned by the table) and `error` is non-NULL. */
typedef void (*wr_create_fn)(struct wr_sandbox *sandbox, const struct wr_error *error, void *data);
/* `error` NULL means done. */
typedef void (*wr_done_fn)(const struct wr_error *error, void *data);

/* Kills a sandbox that has no record and that no client knows. */
void wr_lifecycle_kill_orphan(struct wr_server *server, const char *id);
/* Asks the engine for a sandbox, under an id that the engine chooses; `fn` is called once, later.
 */
int wr_lifecycle_create(struct wr_server *server, const struct wr_create_spec *spec,
                        wr_create_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* Cuts its connections, hides it from clients, and kills it; a failure is retried until the engine
 * agrees. `fn` (may be NULL) is called once, later, unless this function fails. */
int wr_lifecycle_kill(struct wr_server *server, struct wr_sandbox *sandbox, wr_done_fn fn,
                      void *data, struct wr_error *err) WR_MUST_CHECK;
/* Moves the deadline to `delay_ms` from now and stores it with the engine; `fn` is called once,
 * later. */
int wr_lifecycle_set_deadline(struct wr_server *server, struct wr_sandbox *sandbox,
                              uint64_t delay_ms, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
/* The engine says that the sandbox is gone; unknown ids are ignored. */
void wr_lifecycle_gone(struct wr_server *server, const char *id, const char *reason);
/* (Re)arms the timer of the sandbox's deadline; at the deadline it is killed. */
void wr_lifecycle_arm(struct wr_server *server, struct wr_sandbox *sandbox, uint64_t delay_ms);
/* Drops every record without touching the sandboxes: the server is ending. */
void wr_lifecycle_forget_all(struct wr_server *server);
