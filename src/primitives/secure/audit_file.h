/* The file of an audit log, as its writers and its verifier see it. */
#pragma once

#include <sys/types.h>

#include "primitives/secure/audit_line.h"

/* `how`: LOCK_SH or LOCK_EX of flock(2). Waits a bounded time: UNAVAILABLE. */
int wr_audit_file_lock(int fd, int how, const char *path, struct wr_error *err) WR_MUST_CHECK;
/* What the last line of a file of `size` bytes says. DATA_LOSS when it is not whole. */
int wr_audit_file_tail(int fd, off_t size, const char *path, struct wr_audit_link *ret,
                       struct wr_error *err) WR_MUST_CHECK;
