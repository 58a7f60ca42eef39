/* Processes that a debugger holds. */
#pragma once

#include "base/error.h"

/* FAILED_PRECONDITION when a thread in that v2 control group is traced. CRIU would find out, too,
 * but only after it has tried for ten seconds, in which the sandbox stands still. */
int wr_criu_check_tracers(const char *cgroup, struct wr_error *err) WR_MUST_CHECK;
