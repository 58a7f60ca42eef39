/*
 * One request of the server's own to a sandbox's agent, with a small answer. The agent may be under
 * the control of whoever is root in the sandbox: the answer is bounded in size and time.
 */
#pragma once

#include "base/buf.h"
#include "server/ingress/dial.h"

#define WR_AGENT_CALL_MAX 4096 /* bytes of the answer's body */

struct wr_agent_call;

/* Called once. `status` is that of the answer, whose body is in call->answer; or 0 with `error`. */
typedef void (*wr_agent_call_fn)(struct wr_agent_call *call, int status,
                                 const struct wr_error *error);

/* Embedded in its user's struct, zeroed before the first use; may be used again from its fn on. */
struct wr_agent_call {
    const char *method, *path; /* static */
    const char *token;         /* "" for none; borrowed until the end */
    const char *control;       /* the same, of the control token; NULL: none */
    uint64_t timeout_ms;
    wr_agent_call_fn fn;
    struct wr_buf answer;
    /* private: */
    struct wr_server *server;
    struct wr_dial dial;
    struct wr_upstream *upstream;
    struct wr_http_call *http;
    struct wr_timer timer;
    struct wr_buf body;
    int status;
    bool starting; /* inside wr_agent_call_start() */
    struct wr_error failure;
};

/* Sends it over a kept connection, or a new one, which is kept. `body` (may be NULL) is moved. `fn`
 * is called later, never from inside. */
void wr_agent_call_start(struct wr_agent_call *call, struct wr_server *server,
                         struct wr_sandbox *sandbox, struct wr_buf *body);
/* Without a call of fn; idempotent. Also needed before its memory goes. */
void wr_agent_call_cancel(struct wr_agent_call *call);
