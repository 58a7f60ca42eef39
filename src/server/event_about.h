/*
 * What an event says besides its kind and its time, written when it happens: the sandbox may be
 * gone, or be another one, when somebody reads it. A JSON object:
 *   "id": a UUID of the event
 *   "template", "build": IDs of the sandbox's template
 *   "execution": a UUID that changes with each start and resume
 *   "data": {"reason", "sandbox_metadata"?, "execution"?, "level"?, "memory"?, "snapshot_id"?,
 *            "set_timeout"?}
 * Of a sandbox that is not known any more only "id" and "data"."reason".
 */
#pragma once

#include "base/buf.h"
#include "server/lifecycle.h"

/* With the largest metadata, each byte of it escaped. */
#define WR_EVENT_ABOUT_MAX ((size_t)64 * 1024)

/* What only the caller of wr_event_with() knows; zeroed: nothing. */
struct wr_event_facts {
    const char *level;       /* that a resumed one was at, a word of pause_level.h; or NULL */
    bool memory;             /* with `level`: its memory came back */
    const char *snapshot_id; /* that was taken, as clients know it; or NULL */
    uint64_t set_timeout_ms; /* the new deadline, wall clock; 0: it did not change */
};

struct wr_event_moment {
    const char *type; /* "created", ... */
    const char *reason;
    uint64_t now_ms; /* wall clock */
    const struct wr_event_facts *facts;
};

/* `sandbox` and `build_id` may be NULL. 0, or -errno of the buffer. */
int wr_event_about_write(const struct wr_sandbox *sandbox, const char *build_id,
                         const struct wr_event_moment *moment, struct wr_buf *out) WR_MUST_CHECK;
