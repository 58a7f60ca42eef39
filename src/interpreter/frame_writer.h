/* Frames to a runner (frame.h). Each is appended to `out` whole or not at all: 0, -ENOBUFS or
 * -ENOMEM. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "agent/env.h"
#include "base/buf.h"

/* `env` is the complete environment; cpu_millis: thousandths of a processor, 0: not known. */
int wr_frame_init(struct wr_buf *out, const char *cwd, const struct wr_env *env,
                  uint64_t cpu_millis) WR_MUST_CHECK;
int wr_frame_assign(struct wr_buf *out, const struct wr_env *env, uint64_t cpu_millis)
    WR_MUST_CHECK;
/* `env`: an object of strings, or NULL. */
int wr_frame_renew(struct wr_buf *out, const json_t *env) WR_MUST_CHECK;
/* The same, for this cell. */
int wr_frame_execute(struct wr_buf *out, const char *code, size_t code_len, const json_t *env,
                     bool silent) WR_MUST_CHECK;
