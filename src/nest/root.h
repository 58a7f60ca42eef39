/* The nest's own view of files: an empty tmpfs with a procfs of its pid namespace. Nothing of the
 * host stays reachable. */
#pragma once

#include "base/error.h"

int wr_nest_root_enter(struct wr_error *err) WR_MUST_CHECK;

/* For a fork of the nest in a mount namespace of its own: attaches the detached mount and makes it
 * the root. The nest's root, and with it the visible procfs that a new one needs, stays mounted
 * above it until wr_nest_root_leave(). */
int wr_sandbox_root_enter(int root_fd, struct wr_error *err) WR_MUST_CHECK;
int wr_nest_root_leave(struct wr_error *err) WR_MUST_CHECK;
