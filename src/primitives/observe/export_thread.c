#include "primitives/observe/export_thread.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"

struct wr_export_thread {
    struct wr_exporter *exporter;
    pthread_t id;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct wr_list flushes; /* that wait for a round to begin */
    bool batch, stop, stopped;
};

/* One that waits; on its own stack. */
struct flush {
    struct wr_list link;
    int fd; /* readable when it is done */
    struct wr_error error;
};

static struct timespec to_timespec(uint64_t mono_ms)
{
    return (struct timespec){.tv_sec = (time_t)(mono_ms / 1000),
                             .tv_nsec = (long)(mono_ms % 1000) * 1000000};
}

static void on_batch(void *data)
{
    struct wr_export_thread *thread = data;

    (void)pthread_mutex_lock(&thread->lock);
    thread->batch = true;
    (void)pthread_cond_broadcast(&thread->changed);
    (void)pthread_mutex_unlock(&thread->lock);
}

/* With the lock held. */
static void wait_for_work(struct wr_export_thread *thread)
{
    while (!thread->stop && !thread->batch && wr_list_empty(&thread->flushes)) {
        uint64_t due_ms = wr_exporter_due_ms(thread->exporter);
        struct timespec due = to_timespec(due_ms);
        if (due_ms <= wr_mono_ms() ||
            pthread_cond_timedwait(&thread->changed, &thread->lock, &due) == ETIMEDOUT)
            break;
    }
    thread->batch = false;
}

/* One that gave up waiting has taken itself out. With the lock held. */
static void answer(struct wr_list *flushes, const struct wr_error *error)
{
    wr_list_foreach(it, flushes) {
        struct flush *flush = wr_list_entry(it, struct flush, link);
        flush->error = *error;
        wr_list_remove(it);
        (void)!eventfd_write(flush->fd, 1);
    }
}

static void *run(void *data)
{
    struct wr_export_thread *thread = data;
    bool stop = false;

    (void)pthread_mutex_lock(&thread->lock);
    while (!stop) {
        struct wr_list served = WR_LIST_INIT(served);
        struct wr_error error = {0};
        wait_for_work(thread);
        stop = thread->stop;
        wr_list_foreach(it, &thread->flushes) {
            wr_list_remove(it);
            wr_list_append(&served, it);
        }
        bool all = stop || !wr_list_empty(&served);
        (void)pthread_mutex_unlock(&thread->lock);
        (void)!wr_exporter_round(thread->exporter, all, &error);
        (void)pthread_mutex_lock(&thread->lock);
        answer(&served, &error);
    }
    thread->stopped = true;
    (void)pthread_cond_broadcast(&thread->changed);
    (void)pthread_mutex_unlock(&thread->lock);
    return NULL;
}

/* Without signals: they are for the program's own threads. */
static int start(struct wr_export_thread *thread)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread->id, NULL, run, thread);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        (void)pthread_setname_np(thread->id, "warren-otlp");
    return r;
}

static void release(struct wr_export_thread *thread)
{
    (void)pthread_cond_destroy(&thread->changed);
    (void)pthread_mutex_destroy(&thread->lock);
    free(thread);
}

int wr_export_thread_new(struct wr_exporter *exporter, struct wr_export_thread **ret,
                         struct wr_error *err)
{
    struct wr_export_thread *thread = wr_calloc(1, sizeof *thread);
    pthread_condattr_t monotonic;

    if (!thread)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "telemetry");
    thread->exporter = exporter;
    wr_list_init(&thread->flushes);
    (void)pthread_mutex_init(&thread->lock, NULL);
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&thread->changed, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    wr_exporter_on_batch(exporter, on_batch, thread);
    int r = start(thread);
    if (r != 0) {
        release(thread);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "thread of the telemetry");
    }
    *ret = thread;
    return 0;
}

struct wr_export_thread *wr_export_thread_free(struct wr_export_thread *thread, uint64_t bound_ms)
{
    struct timespec end = to_timespec(wr_mono_ms() + bound_ms);
    int r = 0;

    if (!thread)
        return NULL;
    (void)pthread_mutex_lock(&thread->lock);
    thread->stop = true;
    (void)pthread_cond_broadcast(&thread->changed);
    while (!thread->stopped && r != ETIMEDOUT)
        r = pthread_cond_timedwait(&thread->changed, &thread->lock, &end);
    bool stopped = thread->stopped;
    (void)pthread_mutex_unlock(&thread->lock);
    if (!stopped)
        wr_exporter_abort(thread->exporter);
    (void)pthread_join(thread->id, NULL);
    release(thread);
    return NULL;
}

static int wait_for(const struct flush *flush, const struct wr_wait *wait, struct wr_error *err)
{
    uint64_t bound = wait && wait->timeout_ms ? wait->timeout_ms : WR_EXPORT_FLUSH_MS;
    uint64_t now = wr_mono_ms(), end = wr_mono_end_ms(bound);
    struct pollfd fds[] = {
        {.fd = flush->fd, .events = POLLIN},
        {.fd = wait && wait->cancel ? wr_cancel_fd(wait->cancel) : -1, .events = POLLIN},
    };

    for (; now < end; now = wr_mono_ms()) {
        if (poll(fds, WR_ARRAY_SIZE(fds), (int)WR_MIN(end - now, (uint64_t)60000)) < 0)
            continue;
        if (fds[0].revents)
            return 0;
        if (fds[1].revents)
            return wr_fail(err, WR_E_CANCELED, 0, "canceled while telemetry was sent");
    }
    return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the collector has not taken all in %llu ms",
                   (unsigned long long)bound);
}

int wr_export_thread_flush(struct wr_export_thread *thread, const struct wr_wait *wait,
                           struct wr_error *err)
{
    struct flush flush = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    struct wr_error waited = {0};

    if (flush.fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "eventfd");
    (void)pthread_mutex_lock(&thread->lock);
    wr_list_append(&thread->flushes, &flush.link);
    (void)pthread_cond_broadcast(&thread->changed);
    (void)pthread_mutex_unlock(&thread->lock);
    int r = wait_for(&flush, wait, &waited);
    (void)pthread_mutex_lock(&thread->lock);
    /* It may have been answered in the very last moment. */
    bool unanswered = wr_list_linked(&flush.link);
    wr_list_remove(&flush.link);
    (void)pthread_mutex_unlock(&thread->lock);
    (void)wr_close(flush.fd);
    const struct wr_error *error = r < 0 && unanswered ? &waited : &flush.error;
    if (error->code != WR_OK)
        *err = *error;
    return -error->code;
}
