/* The nest's own view of files: an empty tmpfs with a procfs of its pid namespace. Nothing of the
 * host stays reachable. */
#pragma once

#include "base/error.h"

int wr_nest_root_enter(struct wr_error *err) WR_MUST_CHECK;
