/* The system's clock as a struct wr_clock (warren/recovery.h). */
#pragma once

#include "warren/recovery.h"

/* CLOCK_MONOTONIC. */
extern const struct wr_clock wr_system_clock;

/* `clock` or, when NULL, the system's. */
const struct wr_clock *wr_clock_or_system(const struct wr_clock *clock);
uint64_t wr_clock_now_ms(const struct wr_clock *clock);
