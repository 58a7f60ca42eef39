#include "primitives/core/clock.h"

#include <poll.h>

#include "base/clock.h"
#include "base/error.h"

static uint64_t system_now_ms(void *self)
{
    (void)self;
    return wr_mono_ms();
}

static int system_sleep_until(void *self, uint64_t until_ms, struct wr_cancel *cancel,
                              struct wr_error *err)
{
    (void)self;
    for (uint64_t now = wr_mono_ms(); now < until_ms; now = wr_mono_ms()) {
        struct pollfd fd = {.fd = cancel ? wr_cancel_fd(cancel) : -1, .events = POLLIN};
        (void)poll(&fd, 1, (int)WR_MIN(until_ms - now, (uint64_t)60000));
        if (cancel && wr_cancel_fired(cancel))
            return wr_fail(err, WR_E_CANCELED, 0, "canceled while waiting");
    }
    return 0;
}

const struct wr_clock wr_system_clock = {
    .now_ms = system_now_ms,
    .sleep_until = system_sleep_until,
};

const struct wr_clock *wr_clock_or_system(const struct wr_clock *clock)
{
    return clock ? clock : &wr_system_clock;
}

uint64_t wr_clock_now_ms(const struct wr_clock *clock)
{
    return clock->now_ms(clock->self);
}
