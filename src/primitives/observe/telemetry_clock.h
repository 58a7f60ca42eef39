/* When things were, and how long they took. A wall clock jumps, so the second is never a difference
 * of the first. Tests bring clocks of their own. */
#pragma once

#include "base/base.h"

struct wr_telemetry_clock {
    uint64_t (*mono_us)(void *self); /* CLOCK_MONOTONIC */
    uint64_t (*wall_us)(void *self); /* since 1970 */
    void *self;
};

extern const struct wr_telemetry_clock wr_telemetry_system_clock;
