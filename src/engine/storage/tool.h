/* Runs an administration program (mkfs) to its end, without a shell. */
#pragma once

#include "base/error.h"

/*
 * argv[0] is a name, looked up in /usr/sbin, /usr/bin, /sbin and /bin. The program gets a minimal
 * environment, /dev/null as input and no descriptor of ours. FAILED_PRECONDITION when it is not
 * installed, `package` naming what to install; otherwise a failure carries the end of its output.
 * Blocks for at most a minute.
 */
int wr_tool_run(const char *const *argv, const char *package, struct wr_error *err) WR_MUST_CHECK;
