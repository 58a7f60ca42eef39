/* Addresses, rules and routes that deliver what leaves a sandbox to the sandbox itself, where the
 * redirect meets it (docs/internals/network.md). */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* In the calling process's network namespace, whose lo must be up; it needs CAP_NET_ADMIN there. */
int wr_routes_make(bool ipv6, struct wr_error *err) WR_MUST_CHECK;
