/*
 * What the server tells the agent of a sandbox (POST /init, see docs/internals/snapshot.md). Of one
 * that came from the disk, before anybody is told that it runs: new randomness for everything in
 * it, and in a fork also who it is now. Before a pause: that its clients do not leave by
 * themselves.
 */
#pragma once

#include <jansson.h>

#include "server/lifecycle.h"

struct wr_agent_news {
    const char *event;         /* "resumed", "forked" or "pausing" */
    const char *control_token; /* that the agent has; in a fork that of the snapshot's sandbox */
    /* Of a fork; NULL: unchanged. */
    const char *sandbox_id;
    const char *access_token;      /* "": it demands none from now on */
    const char *new_control_token; /* that it demands from now on */
    const json_t *env_vars;        /* an object of strings, for what is started from now on */
    uint64_t timeout_ms;           /* 0: enough for a host under load */
};

/* Everything is copied. `fn` is called once, later, unless this function fails; when the sandbox's
 * record goes, with an error. */
int wr_agent_tell(struct wr_server *server, struct wr_sandbox *sandbox,
                  const struct wr_agent_news *news, wr_done_fn fn, void *data, struct wr_error *err)
    WR_MUST_CHECK;
