/* Leases with a clock of the caller's; the public side is warren/coordinate.h. */
#pragma once

#include "warren/coordinate.h"
#include "warren/recovery.h"

/* `clock` is borrowed for their life; NULL: the system's. */
struct wr_leases *wr_leases_new_with(const struct wr_clock *clock, struct wr_error *err);
