/* What the processes of a sandbox may do: capabilities, seccomp filter, resource limits. Called in
 * the child, in this order. */
#pragma once

#include <linux/filter.h>

#include "base/error.h"
#include "nest/protocol.h"

/* Installs the program on the calling process and all that it starts. Needs CAP_SYS_ADMIN in its
 * user namespace, because no_new_privs stays off (sudo must work). */
int wr_seccomp_install(const struct sock_filter *program, size_t count, struct wr_error *err)
    WR_MUST_CHECK;
/* Bounding set, permitted, effective and ambient sets reduced to the constant list. */
int wr_capabilities_reduce(struct wr_error *err) WR_MUST_CHECK;
/* For a zygote: becomes `id` (uid and gid in the nest's user namespace) and keeps, across exec,
 * what entering the namespaces of a sandbox takes. */
int wr_zygote_capabilities_apply(uint32_t id, struct wr_error *err) WR_MUST_CHECK;
int wr_rlimits_apply(const struct wr_nest_rlimits *limits, struct wr_error *err) WR_MUST_CHECK;
