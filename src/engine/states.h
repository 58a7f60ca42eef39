/* Which action a sandbox takes in which state, and what LIST says about it. */
#pragma once

#include "engine/engine.h"

struct wr_jw;

/* UNAVAILABLE while something is under way, FAILED_PRECONDITION where only another action helps. */
int wr_state_check(const struct wr_engine_sandbox *sandbox, enum wr_action action,
                   struct wr_error *err) WR_MUST_CHECK;
/* Something is under way, and its outcome has to be waited for. */
bool wr_state_busy(enum wr_sandbox_state state);
/* False: it is no sandbox yet, or no more. */
bool wr_state_listed(enum wr_sandbox_state state);
/* During an operation the level that it had before. */
enum wr_level wr_state_level(const struct wr_engine_sandbox *sandbox);
/* {"level"}, and of a paused one "memory", "pausedMs", "bytes" and "reason". */
void wr_state_write(const struct wr_engine_sandbox *sandbox, struct wr_jw *w);
