#include "primitives/recover/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"

struct wr_watchdog {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* waits by CLOCK_MONOTONIC */
    struct wr_list armed;   /* of struct wr_watch */
    pthread_t thread;
    bool running, ends;
};

/* Fires what is due. When the next one is, 0 for never. */
static uint64_t fire_due(struct wr_watchdog *watchdog)
{
    uint64_t now = wr_mono_ms(), next = 0;

    wr_list_foreach(it, &watchdog->armed) {
        struct wr_watch *watch = wr_list_entry(it, struct wr_watch, link);
        if (watch->due_ms <= now) {
            wr_cancel_fire(watch->cancel);
            wr_list_remove(&watch->link);
        } else if (next == 0 || watch->due_ms < next) {
            next = watch->due_ms;
        }
    }
    return next;
}

static void *watch_thread(void *data)
{
    struct wr_watchdog *watchdog = data;

    (void)pthread_mutex_lock(&watchdog->lock);
    while (!watchdog->ends) {
        uint64_t next = fire_due(watchdog);
        struct timespec until = {.tv_sec = (time_t)(next / 1000),
                                 .tv_nsec = (long)(next % 1000) * 1000000};
        if (next)
            (void)pthread_cond_timedwait(&watchdog->changed, &watchdog->lock, &until);
        else
            (void)pthread_cond_wait(&watchdog->changed, &watchdog->lock);
    }
    (void)pthread_mutex_unlock(&watchdog->lock);
    return NULL;
}

/* Under the lock. */
static int start(struct wr_watchdog *watchdog, struct wr_error *err)
{
    sigset_t all, before;

    /* Signals are for the threads of the application. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&watchdog->thread, NULL, watch_thread, watchdog);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r != 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "the thread of a timeout");
    (void)pthread_setname_np(watchdog->thread, "warren-timeout");
    watchdog->running = true;
    return 0;
}

struct wr_watchdog *wr_watchdog_new(struct wr_error *err)
{
    struct wr_watchdog *watchdog = wr_calloc(1, sizeof *watchdog);
    pthread_condattr_t attr;

    if (!watchdog || pthread_condattr_init(&attr) != 0) {
        free(watchdog);
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "timeout");
        return NULL;
    }
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&watchdog->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&watchdog->lock, NULL);
    wr_list_init(&watchdog->armed);
    return watchdog;
}

struct wr_watchdog *wr_watchdog_free(struct wr_watchdog *watchdog)
{
    if (!watchdog)
        return NULL;
    (void)pthread_mutex_lock(&watchdog->lock);
    watchdog->ends = true;
    (void)pthread_cond_signal(&watchdog->changed);
    (void)pthread_mutex_unlock(&watchdog->lock);
    if (watchdog->running)
        (void)pthread_join(watchdog->thread, NULL);
    (void)pthread_cond_destroy(&watchdog->changed);
    (void)pthread_mutex_destroy(&watchdog->lock);
    free(watchdog);
    return NULL;
}

int wr_watchdog_arm(struct wr_watchdog *watchdog, struct wr_watch *watch, struct wr_cancel *cancel,
                    uint64_t delay_ms, struct wr_error *err)
{
    *watch = (struct wr_watch){.due_ms = wr_mono_ms() + delay_ms, .cancel = cancel};
    (void)pthread_mutex_lock(&watchdog->lock);
    int r = watchdog->running ? 0 : start(watchdog, err);
    if (r == 0) {
        wr_list_append(&watchdog->armed, &watch->link);
        (void)pthread_cond_signal(&watchdog->changed);
    }
    (void)pthread_mutex_unlock(&watchdog->lock);
    return r;
}

void wr_watchdog_disarm(struct wr_watchdog *watchdog, struct wr_watch *watch)
{
    (void)pthread_mutex_lock(&watchdog->lock);
    wr_list_remove(&watch->link);
    (void)pthread_mutex_unlock(&watchdog->lock);
}
