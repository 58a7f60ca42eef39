/* What is mounted inside a sandbox, and what of /proc is hidden: constant tables and their one
 * interpreter. */
#pragma once

#include "base/error.h"

/*
 * Called in the new mount namespace with the sandbox's root already entered (so every path below
 * resolves inside it) while a fully visible procfs of the nest is still mounted somewhere, without
 * which the kernel refuses a new one in a user namespace.
 */
int wr_mount_table_apply(uint32_t shm_mib, struct wr_error *err) WR_MUST_CHECK;
/* Hides and write-protects parts of /proc. Comes later than the above, because own sysctls are
 * written in between. */
int wr_mount_table_protect(struct wr_error *err) WR_MUST_CHECK;
