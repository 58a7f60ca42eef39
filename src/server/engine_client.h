/*
 * The server's side of the engine's socket: requests with sequence numbers, their replies (with
 * descriptors), timeouts, and events. Nothing here blocks; a full socket is waited for by the loop.
 */
#pragma once

#include <jansson.h>

#include "engine/action.h"
#include "loop/loop.h"

#define WR_ENGINE_MAX_PENDING       1024  /* requests without a reply; above it calls are refused */
#define WR_ENGINE_CALL_TIMEOUT_MS   30000 /* of a call that is none of those below, ms */
/* The engine gives up on a start after 20 s, so this only ends when the engine itself hangs; what
 * it makes later is found by the next LIST. */
#define WR_ENGINE_CREATE_TIMEOUT_MS 60000
/* What copies memory and files gets 10 minutes from the engine, and the end of the sandbox before
 * it a minute. A KILL waits for it. */
#define WR_ENGINE_SAVED_TIMEOUT_MS  720000

struct wr_engine_client;

/* `fds` are closed after the callback except those that it took (set to -1). `json` is borrowed. */
struct wr_engine_reply {
    const json_t *json;
    int *fds;
    size_t fd_count;
};

/* Exactly one of `reply` and `error` is non-NULL. */
typedef void (*wr_engine_fn)(const struct wr_engine_reply *reply, const struct wr_error *error,
                             void *data);

struct wr_engine_events {
    /* An engine is ready, at the start and after each restart. Earlier requests have been failed
     * before this call. */
    void (*on_ready)(void *data);
    /* `id` is a valid sandbox id, `reason` at most 31 bytes; both borrowed. */
    void (*on_gone)(const char *id, const char *reason, void *data);
    /* A CREATE that had timed out was carried out after all: nobody knows of this sandbox. */
    void (*on_orphan)(const char *id, void *data);
    /* The socket is closed or carries nonsense. Requests have been failed; the client can only be
     * freed now. */
    void (*on_lost)(const struct wr_error *error, void *data);
};

struct wr_engine_request {
    enum wr_action action;
    const char *json; /* an object; copied */
    size_t len;
    uint64_t timeout_ms; /* 0: that of the action; a CREATE from a snapshot needs
                            WR_ENGINE_SAVED_TIMEOUT_MS */
};

/* `fd` becomes owned (also on failure) and non-blocking; `events` and `data` are borrowed for the
 * client's life. */
int wr_engine_client_new(struct wr_loop *loop, int fd, const struct wr_engine_events *events,
                         void *data, struct wr_engine_client **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Pending requests are failed with UNAVAILABLE first. Accepts NULL, returns NULL. */
struct wr_engine_client *wr_engine_client_free(struct wr_engine_client *client);

/* Queues a request; `fn` is called once, later, from the loop (never from inside this function).
 * RESOURCE_EXHAUSTED above WR_ENGINE_MAX_PENDING, UNAVAILABLE when the engine is lost. */
int wr_engine_call(struct wr_engine_client *client, const struct wr_engine_request *request,
                   wr_engine_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* Requests without a reply. */
size_t wr_engine_pending(const struct wr_engine_client *client);
