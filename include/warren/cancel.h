/** @file
 * Cancellation: a token that any thread may fire, and that blocking calls watch.
 */
#pragma once

#include "warren/error.h"

WR_BEGIN_DECLS

struct wr_cancel;

/** `parent` NULL: none; else this token fires with it (and not the other way round). The parent may
 * be freed before its children. NULL when memory or descriptors ran out. */
WR_PUBLIC struct wr_cancel *wr_cancel_new(struct wr_cancel *parent, struct wr_error *err);
/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_cancel *wr_cancel_ref(struct wr_cancel *cancel);
/** One holder less. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_cancel *wr_cancel_free(struct wr_cancel *cancel);
/** For good, from any thread; running calls that have it return CANCELED soon after. Not
 * async-signal-safe. */
WR_PUBLIC void wr_cancel_fire(struct wr_cancel *cancel);
/** Whether it has fired. */
WR_PUBLIC bool wr_cancel_fired(const struct wr_cancel *cancel);
/** Readable once the token has fired; for a poll() of the caller's own. Borrowed. */
WR_PUBLIC int wr_cancel_fd(const struct wr_cancel *cancel);

/** How long a blocking call may take. A NULL pointer to it: the call's own default, no token. */
struct wr_wait {
    uint64_t timeout_ms;      /**< 0: the call's own default. DEADLINE_EXCEEDED afterwards */
    struct wr_cancel *cancel; /**< borrowed, or NULL */
};

WR_END_DECLS
