/*
 * The life of sandboxes as the server drives it: create, kill, deadlines. The engine has the truth
 * about existence, the store has the server's half; every change is in the store before a client
 * is told.
 */
#pragma once

#include <jansson.h>

#include "server/main.h"
#include "server/sandbox_table.h"

#define WR_CREATE_SOCKETS 4 /* spare ingress sockets that come with a new sandbox */

struct wr_server;

struct wr_create_spec {
    const char *template_name; /* a valid name */
    const char *team_id;
    uint64_t timeout_ms;
    bool secure;                     /* the agent demands a token */
    bool private_traffic;            /* the ingress demands a token */
    const json_t *env_vars;          /* an object of strings, or NULL; borrowed during the call */
    json_t *settings;                /* see settings.h, or NULL; a reference is taken */
    struct wr_sandbox_limits limits; /* 0: the template's or the built-in default */
    uint64_t request;                /* number of the client's request, for log lines */
};

/* Why something happens to a sandbox; for log lines and events. */
struct wr_cause {
    const char *reason; /* a static string */
    uint64_t request;   /* number of the client's request, 0: none */
};

/* Exactly one of `sandbox` (owned by the table) and `error` is non-NULL. */
typedef void (*wr_create_fn)(struct wr_sandbox *sandbox, const struct wr_error *error, void *data);
/* `error` NULL means done. */
typedef void (*wr_done_fn)(const struct wr_error *error, void *data);

/* Kills a sandbox that has no record and that no client knows. */
void wr_lifecycle_kill_orphan(struct wr_server *server, const char *id);
/* Asks the engine for a sandbox, under an id that the engine chooses, and records it; `fn` is
 * called once, later. */
int wr_lifecycle_create(struct wr_server *server, const struct wr_create_spec *spec,
                        wr_create_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* Cuts its connections, hides it from clients, and kills it; a failure is retried until the engine
 * agrees. `fn` (may be NULL) is called once, later, unless this function fails. */
int wr_lifecycle_kill(struct wr_server *server, struct wr_sandbox *sandbox,
                      const struct wr_cause *cause, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
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
/* (Re)arms the timer of the sandbox's deadline; at the deadline it is killed. */
void wr_lifecycle_arm(struct wr_server *server, struct wr_sandbox *sandbox, uint64_t delay_ms);
/* Drops every record without touching the sandboxes and their rows: the server is ending. */
void wr_lifecycle_forget_all(struct wr_server *server);
