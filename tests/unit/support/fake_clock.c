#include "support/fake_clock.h"

#include <poll.h>
#include <sys/eventfd.h>

#include "base/error.h"
#include "base/fd.h"
#include "test.h"

struct sleeper {
    struct wr_list link;
    uint64_t until_ms;
    int fd; /* readable when its time has come */
};

static uint64_t now_ms(void *self)
{
    struct fake_clock *clock = self;

    (void)pthread_mutex_lock(&clock->lock);
    uint64_t now = clock->now_ms;
    (void)pthread_mutex_unlock(&clock->lock);
    return now;
}

static void wake(const struct sleeper *sleeper)
{
    CHECK_INT(eventfd_write(sleeper->fd, 1), 0);
}

static void wait_for(const struct sleeper *sleeper, struct wr_cancel *cancel)
{
    struct pollfd fds[] = {{.fd = sleeper->fd, .events = POLLIN},
                           {.fd = cancel ? wr_cancel_fd(cancel) : -1, .events = POLLIN}};

    CHECK(poll(fds, 2, -1) > 0);
}

static int sleep_until(void *self, uint64_t until_ms, struct wr_cancel *cancel,
                       struct wr_error *err)
{
    struct fake_clock *clock = self;
    struct sleeper sleeper = {.until_ms = until_ms};

    if (cancel && wr_cancel_fired(cancel))
        return wr_fail(err, WR_E_CANCELED, 0, "canceled while waiting");
    (void)pthread_mutex_lock(&clock->lock);
    clock->sleeps++;
    clock->slept_ms += until_ms > clock->now_ms ? until_ms - clock->now_ms : 0;
    if (clock->advances && until_ms > clock->now_ms)
        clock->now_ms = until_ms;
    bool waits = until_ms > clock->now_ms;
    if (waits) {
        sleeper.fd = eventfd(0, EFD_CLOEXEC);
        CHECK(sleeper.fd >= 0);
        wr_list_append(&clock->sleepers, &sleeper.link);
        clock->sleeping++;
        (void)pthread_cond_broadcast(&clock->changed);
    }
    (void)pthread_mutex_unlock(&clock->lock);
    if (!waits)
        return 0;

    wait_for(&sleeper, cancel);
    (void)pthread_mutex_lock(&clock->lock);
    wr_list_remove(&sleeper.link);
    clock->sleeping--;
    bool done = clock->now_ms >= until_ms;
    (void)pthread_mutex_unlock(&clock->lock);
    wr_close(sleeper.fd);
    return done ? 0 : wr_fail(err, WR_E_CANCELED, 0, "canceled while waiting");
}

void fake_clock_init(struct fake_clock *clock, uint64_t now, bool advances)
{
    *clock = (struct fake_clock){.advances = advances, .now_ms = now};
    clock->clock = (struct wr_clock){.now_ms = now_ms, .sleep_until = sleep_until, .self = clock};
    (void)pthread_mutex_init(&clock->lock, NULL);
    (void)pthread_cond_init(&clock->changed, NULL);
    wr_list_init(&clock->sleepers);
}

void fake_clock_done(struct fake_clock *clock)
{
    CHECK(wr_list_empty(&clock->sleepers));
    (void)pthread_mutex_destroy(&clock->lock);
    (void)pthread_cond_destroy(&clock->changed);
}

static void set_locked(struct fake_clock *clock, uint64_t now)
{
    clock->now_ms = now;
    wr_list_foreach(it, &clock->sleepers) {
        const struct sleeper *sleeper = wr_list_entry(it, struct sleeper, link);
        if (sleeper->until_ms <= now)
            wake(sleeper);
    }
}

void fake_clock_set(struct fake_clock *clock, uint64_t now)
{
    (void)pthread_mutex_lock(&clock->lock);
    set_locked(clock, now);
    (void)pthread_mutex_unlock(&clock->lock);
}

void fake_clock_advance(struct fake_clock *clock, uint64_t by_ms)
{
    (void)pthread_mutex_lock(&clock->lock);
    set_locked(clock, clock->now_ms + by_ms);
    (void)pthread_mutex_unlock(&clock->lock);
}

void fake_clock_wait_sleepers(struct fake_clock *clock, unsigned count)
{
    (void)pthread_mutex_lock(&clock->lock);
    while (clock->sleeping < count)
        (void)pthread_cond_wait(&clock->changed, &clock->lock);
    (void)pthread_mutex_unlock(&clock->lock);
}

uint64_t fake_clock_slept_ms(struct fake_clock *clock)
{
    (void)pthread_mutex_lock(&clock->lock);
    uint64_t slept = clock->slept_ms;
    (void)pthread_mutex_unlock(&clock->lock);
    return slept;
}

unsigned fake_clock_sleeps(struct fake_clock *clock)
{
    (void)pthread_mutex_lock(&clock->lock);
    unsigned sleeps = clock->sleeps;
    (void)pthread_mutex_unlock(&clock->lock);
    return sleeps;
}
