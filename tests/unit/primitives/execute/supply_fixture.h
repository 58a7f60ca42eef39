/* What tests of supplies share: a fake server, a clock of the test's, and a check that nothing of
 * them is left. */
#pragma once

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "json/value.h"
#include "support/fake_clock.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/supply.h"

struct fixture {
    struct fake_driver *driver;
    struct wr_client *client;
    struct fake_clock clock;
    unsigned fds, threads;
};

static inline unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    CHECK(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static inline uint64_t fixture_now(void *data)
{
    struct fake_clock *clock = data;
    return clock->clock.now_ms(clock->clock.self);
}

static inline void fixture_pass(void *data, uint64_t ms)
{
    fake_clock_advance(data, ms);
}

static inline void *do_nothing(void *arg)
{
    return arg;
}

static inline struct fixture *fixture_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    pthread_t first;

    CHECK(f);
    /* With the first thread a sanitizer starts one of its own, which stays. */
    CHECK_INT(pthread_create(&first, NULL, do_nothing, NULL), 0);
    CHECK_INT(pthread_join(first, NULL), 0);
    f->fds = count_entries("/proc/self/fd");
    f->threads = count_entries("/proc/self/task");
    fake_clock_init(&f->clock, 1000000, false);
    f->driver = fake_driver_new();
    f->client = fake_driver_client(f->driver);
    fake_driver_clock(f->driver, fixture_now, fixture_pass, &f->clock);
    return f;
}

/* A condition that other threads bring about, soon. */
#define EVENTUALLY(condition)                                              \
    do {                                                                   \
        struct timespec begin_, now_;                                      \
        (void)clock_gettime(CLOCK_MONOTONIC, &begin_);                     \
        while (!(condition)) {                                             \
            (void)sched_yield();                                           \
            (void)clock_gettime(CLOCK_MONOTONIC, &now_);                   \
            if (now_.tv_sec - begin_.tv_sec > 20)                          \
                wr_test_fail(__FILE__, __LINE__, "never: %s", #condition); \
        }                                                                  \
    } while (0)

/* All supplies are freed: no sandbox, descriptor or thread is left. */
static inline void fixture_free(struct fixture *f)
{
    CHECK_INT(fake_driver_alive(f->driver), 0);
    wr_client_free(f->client);
    fake_driver_free(f->driver);
    fake_clock_done(&f->clock);
    CHECK_INT(count_entries("/proc/self/fd"), f->fds);
    /* A thread that was joined may still be listed for a moment. */
    EVENTUALLY(count_entries("/proc/self/task") == f->threads);
    free(f);
}

static inline int64_t stat_of(struct wr_supply *supply, const char *name)
{
    wr_auto_value *stats = wr_supply_stats(supply);

    CHECK(stats);
    int64_t number = wr_value_int(stats, name, -1);
    CHECK(number >= 0);
    return number;
}

static inline struct wr_lease take(struct wr_supply *supply)
{
    struct wr_lease lease = {0};
    struct wr_error err = {0};

    if (wr_supply_acquire(supply, NULL, &lease, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "acquire: %s", err.msg);
    CHECK(lease.sandbox);
    return lease;
}

static inline void give(struct wr_supply *supply, struct wr_lease *lease, enum wr_lease_end end)
{
    wr_supply_release(supply, lease, end);
    CHECK(!lease->sandbox && !lease->entry);
}

static inline void id_of(const struct wr_lease *lease, char ret[static WR_SANDBOX_ID_MAX])
{
    (void)snprintf(ret, WR_SANDBOX_ID_MAX, "%s", wr_sandbox_id(lease->sandbox));
}

/* A workflow with so much time. */
static inline struct wr_workflow *workflow_of(uint64_t timeout_ms)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = timeout_ms), &err);

    CHECK(workflow);
    return workflow;
}

/* An acquire in a thread of its own. */
struct taker {
    pthread_t thread;
    struct wr_supply *supply;
    struct wr_workflow *workflow; /* its own */
    struct wr_lease lease;
    struct wr_error err;
    int result;
    unsigned *order; /* how many have got one before */
    unsigned place;
};

static inline void *taker_run(void *arg)
{
    struct taker *taker = arg;

    taker->result = wr_supply_acquire(taker->supply, taker->workflow, &taker->lease, &taker->err);
    if (taker->result == 0 && taker->order)
        taker->place = __atomic_add_fetch(taker->order, 1, __ATOMIC_SEQ_CST);
    return NULL;
}

static inline void taker_start(struct taker *taker, struct wr_supply *supply, uint64_t timeout_ms)
{
    *taker = (struct taker){
        .supply = supply, .workflow = workflow_of(timeout_ms), .order = taker->order};
    CHECK_INT(pthread_create(&taker->thread, NULL, taker_run, taker), 0);
}

static inline int taker_join(struct taker *taker)
{
    CHECK_INT(pthread_join(taker->thread, NULL), 0);
    taker->workflow = wr_workflow_free(taker->workflow);
    return taker->result;
}

static inline const char *metadata_of(struct wr_value *created, const char *key)
{
    return wr_value_string(wr_value_get(created, "metadata"), key);
}
