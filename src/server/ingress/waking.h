/*
 * Traffic resumes a sandbox that does not run at the moment, if it was created with autoResume and
 * its memory is kept: whoever comes for one of its ports, in whatever way, waits for that.
 */
#pragma once

#include "base/error.h"
#include "server/sandbox_table.h"

struct wr_server;
struct wr_waking_wait;

/* Somebody who waits; embedded in his struct, zeroed before the first use. */
struct wr_waking {
    /* Called once, later: it runs, or `error` says why not. */
    void (*fn)(struct wr_waking *waking, const struct wr_error *error);
    struct wr_waking_wait *wait; /* private; NULL before and after */
};

/* Of one in any state: whether it can be waited for. */
bool wr_waking_possible(const struct wr_sandbox *sandbox);
/* `sandbox` is neither RUNNING nor KILLING. After a failure `fn` is not called. */
int wr_waking_start(struct wr_waking *waking, struct wr_server *server, struct wr_sandbox *sandbox,
                    struct wr_error *err) WR_MUST_CHECK;
/* `fn` is not called any more, and the sandbox resumed nevertheless; idempotent. */
void wr_waking_cancel(struct wr_waking *waking);
