/*
 * The driver of libwarren's client over HTTP: a Warren server's socket, or the protocol of E2B.
 *
 * A call takes a transport out of a pool, or makes one, uses it in its own thread, and gives it
 * back. So there is no thread besides the callers', and calls do not wait for each other.
 */
#pragma once

#include <jansson.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "client/answer_field.h"
#include "client/driver.h"
#include "client/transport.h"

#define WR_REMOTE_IDLE_MAX    64    /* transports that are kept for later */
#define WR_REMOTE_IDLE_MS     30000 /* a transport that nobody used for so long is closed */
#define WR_REMOTE_CLEAN_UP_MS 2000  /* of what is tidied up after a call that was given up */

struct wr_remote {
    enum wr_backend backend;
    struct wr_endpoint *endpoint;
    char *domain; /* of sandboxes whose server names none; "": none either; owned */
    bool has_sandbox_url;
    char *data_dir, *executable; /* of WR_BACKEND_PRIVATE; owned; the second may be NULL */
    struct wr_remote_pool {
        atomic_int lock; /* of what follows: the process that has it; 0: none */
        struct {
            struct wr_transport *transport;
            uint64_t since_ms;
        } idle[WR_REMOTE_IDLE_MAX];
        size_t count;
        pid_t owner; /* whose descriptors they are: not a forked child's */
    } pool;
};

/* From options and environment; connects to nothing. *ret is for wr_client_with_driver(). */
int wr_remote_new(const struct wr_client_opts *opts, struct wr_driver *ret, struct wr_error *err)
    WR_MUST_CHECK;

/* ---- a call's use of a transport (remote_pool.c) ---- */

struct wr_remote_use {
    struct wr_remote *remote;
    struct wr_transport *transport;
    uint64_t end_ms; /* wr_mono_ms() by which the call has to end; UINT64_MAX: never */
    int cancel_fd;   /* of its token; -1: none */
    bool restarted;  /* a server on demand was started for it already */
};

int wr_remote_begin(struct wr_remote *remote, const struct wr_wait *wait, struct wr_remote_use *ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed struct, and zeroes it. */
void wr_remote_end(struct wr_remote_use *use);
/* Another call on the same transport: its time and token. NULL: neither, between calls. */
int wr_remote_rebind(struct wr_remote_use *use, const struct wr_wait *wait, struct wr_error *err)
    WR_MUST_CHECK;
/* At most `ms` from now, and no token: for tidying up when the call has been given up. */
void wr_remote_rush(struct wr_remote_use *use, uint64_t ms);
/* One round of the loop: CANCELED, or DEADLINE_EXCEEDED ("<what>: no answer in time"). */
int wr_remote_step(struct wr_remote_use *use, const char *what, struct wr_error *err) WR_MUST_CHECK;
/* Waits so long, or ends as above. */
int wr_remote_sleep(struct wr_remote_use *use, uint64_t ms, const char *what, struct wr_error *err)
    WR_MUST_CHECK;

void wr_remote_pool_init(struct wr_remote_pool *pool);
void wr_remote_pool_done(struct wr_remote_pool *pool);
/* After a request that failed with `cause`: 0 when nobody listened, and a server on demand has been
 * started once for this use. Else `cause` again, or why the server does not start. */
int wr_remote_restart(struct wr_remote_use *use, const struct wr_error *cause, struct wr_error *err)
    WR_MUST_CHECK;

/* ---- requests (remote_call.c) ---- */

struct wr_remote_answer {
    int status;
    struct wr_answer_field *fields; /* to be filled in; NULL: none */
    size_t field_count;
    struct wr_buf body; /* initialised by the caller; its maximum bounds the answer */
    /* Takes the body instead, when it is set. */
    int (*sink)(void *data, const char *bytes, size_t len, struct wr_error *err);
    void *sink_data;
};

/* To the end of the answer. */
int wr_remote_request(struct wr_remote_use *use, const struct wr_transport_request *request,
                      struct wr_remote_answer *answer, struct wr_error *err) WR_MUST_CHECK;
#define WR_REMOTE_JSON_MAX    ((size_t)64 * 1024 * 1024)
#define WR_REMOTE_JSON_VALUES ((size_t)2 * 1024 * 1024) /* a value takes up to 200 bytes */

/* An answer's body as JSON, of whatever kind; the caller's. INTERNAL when it is none. */
int wr_remote_parse(const struct wr_transport_request *request,
                    const struct wr_remote_answer *answer, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The answer is one JSON document, the caller's; an empty one gives NULL. `ret` NULL: not looked
 * at. */
int wr_remote_json(struct wr_remote_use *use, const struct wr_transport_request *request,
                   json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* GET of a path of the control API. */
int wr_remote_get(struct wr_remote_use *use, const char *target, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* POST of a JSON text. */
int wr_remote_post(struct wr_remote_use *use, const char *target, const char *json, json_t **ret,
                   struct wr_error *err) WR_MUST_CHECK;

/* A request to a port of the call's sandbox, without body. */
struct wr_transport_request wr_remote_inside(const struct wr_call *call, uint16_t port,
                                             const char *method, const char *target);
/* A unary RPC to the agent; the answer is an object. */
int wr_remote_rpc(struct wr_remote_use *use, const struct wr_call *call, const char *path,
                  const struct wr_buf *message, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* FAILED_PRECONDITION when it is not known under which host the sandbox is reached. */
int wr_remote_check_reach(const struct wr_remote_use *use, const struct wr_call *call,
                          struct wr_error *err) WR_MUST_CHECK;

/*
 * For a call into a sandbox that failed with `err`: whether the sandbox is still there says more
 * than a connection that was cut. ABORTED "sandbox <id> ended while <what>" when it is gone,
 * FAILED_PRECONDITION when it is paused. Returns -err->code.
 */
int wr_remote_explain(struct wr_remote_use *use, const struct wr_call *call, const char *what,
                      struct wr_error *err);

/* Right after a sandbox's creation a service in it may not listen yet. Zero-initialised. */
struct wr_remote_patience {
    uint64_t since_ms, pause_ms;
};
/* For a request into a sandbox that failed with `err`: true, after a pause, when it shall be made
 * again. False leaves the error to be returned in `err`. */
bool wr_remote_again(struct wr_remote_use *use, const struct wr_call *call,
                     struct wr_remote_patience *patience, struct wr_error *err);
