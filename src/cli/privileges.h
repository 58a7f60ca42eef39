/* Giving up root for good. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

/* Uid and gid of `user` in /etc/passwd, else `fallback_id` for both. */
void wr_privileges_find(const char *user, uid_t fallback_id, uid_t *ret_uid, gid_t *ret_gid);
/*
 * Uid and gid of `user` if /etc/passwd has it, else `fallback_id`; no supplementary groups, no
 * capabilities (bounding set included), no_new_privs, not dumpable, working directory "/". Fails
 * unless root is really gone.
 */
int wr_privileges_drop(const char *user, uid_t fallback_id, struct wr_error *err) WR_MUST_CHECK;
/* Closes every descriptor but 0, 1, 2 and those in `keep` (entries of -1 are skipped; at most 16).
 */
int wr_privileges_close_others(const int *keep, size_t count, struct wr_error *err) WR_MUST_CHECK;
