#include "primitives/observe/telemetry_clock.h"

#include <time.h>

#include "base/clock.h"

static uint64_t mono_us(void *self)
{
    (void)self;
    return wr_mono_us();
}

static uint64_t wall_us(void *self)
{
    struct timespec now;

    (void)self;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const struct wr_telemetry_clock wr_telemetry_system_clock = {
    .mono_us = mono_us,
    .wall_us = wall_us,
};
