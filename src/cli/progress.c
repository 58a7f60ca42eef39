#include "cli/progress.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"

#define QUIET_MS 2000 /* before the line appears */
#define TICK_MS  1000
#define MAX_LINE 200

struct wr_progress {
    wr_progress_fn fn;
    void *data;
    uint64_t began_ms;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ending;
    bool ended, drawn;
};

static const char erase_line[] = "\r\033[K";

/* Called with the lock, as draw(). What cannot be written is no loss. */
static void erase(struct wr_progress *progress)
{
    if (progress->drawn)
        (void)!wr_write_all(STDERR_FILENO, erase_line, sizeof erase_line - 1);
    progress->drawn = false;
}

static void draw(struct wr_progress *progress)
{
    char line[MAX_LINE] = "";

    progress->fn(line, sizeof line, (double)(wr_mono_ms() - progress->began_ms) / 1e3,
                 progress->data);
    erase(progress);
    (void)!wr_write_all(STDERR_FILENO, line, strlen(line));
    progress->drawn = *line != '\0';
}

static void *work(void *data)
{
    struct wr_progress *progress = data;
    uint64_t due_ms = progress->began_ms + QUIET_MS;

    (void)pthread_mutex_lock(&progress->lock);
    while (!progress->ended) {
        const struct timespec due = {.tv_sec = (time_t)(due_ms / 1000),
                                     .tv_nsec = (long)(due_ms % 1000) * 1000000};
        int r = pthread_cond_timedwait(&progress->ending, &progress->lock, &due);
        if (progress->ended || r != ETIMEDOUT)
            continue;
        draw(progress);
        due_ms += TICK_MS;
    }
    erase(progress);
    (void)pthread_mutex_unlock(&progress->lock);
    return NULL;
}

int wr_progress_start(wr_progress_fn fn, void *data, struct wr_progress **ret, struct wr_error *err)
{
    pthread_condattr_t attr;

    if (isatty(STDERR_FILENO) != 1) {
        *ret = NULL;
        return 0;
    }
    struct wr_progress *progress = wr_calloc(1, sizeof *progress);
    if (!progress)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "progress");
    progress->fn = fn;
    progress->data = data;
    progress->began_ms = wr_mono_ms();
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_mutex_init(&progress->lock, NULL);
    (void)pthread_cond_init(&progress->ending, &attr);
    (void)pthread_condattr_destroy(&attr);
    int r = pthread_create(&progress->thread, NULL, work, progress);
    if (r != 0) {
        (void)pthread_cond_destroy(&progress->ending);
        (void)pthread_mutex_destroy(&progress->lock);
        free(progress);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "a thread for the progress");
    }
    (void)pthread_setname_np(progress->thread, "warren-progress");
    *ret = progress;
    return 0;
}

void wr_progress_erase(struct wr_progress *progress)
{
    if (!progress)
        return;
    (void)pthread_mutex_lock(&progress->lock);
    erase(progress);
    (void)pthread_mutex_unlock(&progress->lock);
}

struct wr_progress *wr_progress_stop(struct wr_progress *progress)
{
    if (!progress)
        return NULL;
    (void)pthread_mutex_lock(&progress->lock);
    progress->ended = true;
    (void)pthread_cond_signal(&progress->ending);
    (void)pthread_mutex_unlock(&progress->lock);
    (void)pthread_join(progress->thread, NULL);
    (void)pthread_cond_destroy(&progress->ending);
    (void)pthread_mutex_destroy(&progress->lock);
    free(progress);
    return NULL;
}
