/*
 * Memory that a fork does not have (MADV_DONTFORK): what the nest knows of its sandboxes, so that
 * no agent, which is a fork of the nest, holds anything of another sandbox.
 */
#pragma once

#include <stddef.h>

#include "base/error.h"

/* *ret: `size` zero bytes, never given back. `what` completes "allocate ...". */
int wr_unforked_new(size_t size, const char *what, void **ret, struct wr_error *err) WR_MUST_CHECK;
