/* The rules that hand what leaves a sandbox to the sockets of egress_sockets.h: one nftables chain,
 * made by one batch of nfnetlink messages (docs/internals/network.md). */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* In the calling process's network namespace, over which it needs CAP_NET_ADMIN. The kernel may
 * load modules for it. FAILED_PRECONDITION where it has no tproxy. */
int wr_redirect_make(bool ipv6, struct wr_error *err) WR_MUST_CHECK;
