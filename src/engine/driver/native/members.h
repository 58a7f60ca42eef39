/* The processes of a sandbox, as its control group knows them: not as anybody inside, or a nest,
 * says. */
#pragma once

#include <sys/types.h>

#include "base/error.h"

struct wr_kit;

/* At most `max`, in no order; *ret_count: how many. */
int wr_members_list(const struct wr_kit *kit, pid_t *pids, size_t max, size_t *ret_count,
                    struct wr_error *err) WR_MUST_CHECK;
/* Host pid of its first process: the member that is number 1 in its own pid namespace. NOT_FOUND.
 */
int wr_members_first(const struct wr_kit *kit, pid_t *ret, struct wr_error *err) WR_MUST_CHECK;
/* The same with descriptors that stand for that process and no other, and its network namespace;
 * both the caller's. */
int wr_members_open_first(const struct wr_kit *kit, int *ret_pidfd, int *ret_ns_fd,
                          struct wr_error *err) WR_MUST_CHECK;
/* Moves those that are in our own pid namespace out of the v2 control group: what restores the
 * sandbox, and none of its processes. */
int wr_members_expel_ours(const struct wr_kit *kit, struct wr_error *err) WR_MUST_CHECK;
