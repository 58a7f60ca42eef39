/* Retry with a random source of the caller's; the public side is warren/recovery.h. */
#pragma once

#include "primitives/recover/backoff.h"

/* As wr_retry_new(). `random` is borrowed for the primitive's life. */
struct wr_primitive *wr_retry_make(struct wr_primitive *inner, const struct wr_retry_opts *opts,
                                   const struct wr_random *random, struct wr_error *err);
