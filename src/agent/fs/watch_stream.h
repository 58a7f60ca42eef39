/* WatchDir: a watcher whose events are streamed. A reader that does not take them stops the
 * watcher, not the agent. */
#pragma once

#include "agent/fs/watcher.h"
#include "rpc/answer.h"

struct wr_watch_stream_opts {
    uint64_t keepalive_ms; /* silence after which a keepalive is sent */
    uint64_t timeout_ms;   /* 0: none */
};

/* Answers with a stream: `start` now, then what happens, until the client leaves or the deadline.
 * On failure nothing was answered; errors as wr_watcher_open(). */
int wr_watch_stream(struct wr_watchers *set, const struct wr_watch_request *request,
                    const struct wr_connect_out *out, const struct wr_watch_stream_opts *opts,
                    struct wr_error *err) WR_MUST_CHECK;
