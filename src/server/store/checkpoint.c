#include "server/store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "log/log.h"

struct wr_checkpointer {
    pthread_t thread;
    sqlite3 *db; /* the thread's alone */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    char log_path[280], dir_path[256];
    int sync_fd; /* eventfd */
    /* under the mutex */
    bool asked, ends;
    uint64_t sync_wanted, sync_done; /* numbers of calls */
    int sync_result;                 /* of the last one that was done */
};

static int sync_path(const char *path, int flags)
{
    wr_auto_close int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    return fsync(fd) == 0 ? 0 : -errno;
}

/* The log is enough: it is read again after a power cut. It is there as soon as something was
 * written; its name has to be on the disk as well. */
static void sync_log(struct wr_checkpointer *c)
{
    pthread_mutex_lock(&c->mutex);
    uint64_t wanted = c->sync_wanted;
    bool wants = wanted > c->sync_done;
    pthread_mutex_unlock(&c->mutex);
    if (!wants)
        return;
    int r = sync_path(c->log_path, O_NOFOLLOW);
    if (r == 0)
        r = sync_path(c->dir_path, O_DIRECTORY);
    pthread_mutex_lock(&c->mutex);
    c->sync_done = wanted;
    c->sync_result = r;
    pthread_mutex_unlock(&c->mutex);
    /* It can only be full of news. */
    (void)!eventfd_write(c->sync_fd, 1);
}

/* False: the thread is to end. */
static bool wait_for_work(struct wr_checkpointer *c, bool *ret_asked)
{
    pthread_mutex_lock(&c->mutex);
    while (!c->asked && !c->ends && c->sync_wanted == c->sync_done)
        pthread_cond_wait(&c->changed, &c->mutex);
    *ret_asked = c->asked;
    c->asked = false;
    bool goes_on = !c->ends;
    pthread_mutex_unlock(&c->mutex);
    return goes_on;
}

static void *run(void *data)
{
    struct wr_checkpointer *c = data;
    bool asked = false;

    while (wait_for_work(c, &asked)) {
        /* Somebody waits for it. */
        sync_log(c);
        if (!asked)
            continue;
        /* Passive: it stops nobody, and leaves what is just being written to the next one. */
        int rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        if (rc != SQLITE_OK && rc != SQLITE_BUSY) {
            static struct wr_log_limit limit;
            wr_log_limited(&limit, WR_LOG_WARN, "the store was not written back to its file",
                           "error", sqlite3_errstr(rc), NULL);
        }
    }
    return NULL;
}

static int start(struct wr_checkpointer *c, struct wr_error *err)
{
    sigset_t all, before;

    /* Signals are the loop's. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&c->thread, NULL, run, c);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r == 0 ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "thread for checkpoints");
}

int wr_checkpointer_new(const char *path, struct wr_checkpointer **ret, struct wr_error *err)
{
    struct wr_checkpointer *c = wr_calloc(1, sizeof *c);

    if (!c)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "checkpoints");
    c->sync_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const char *slash = strrchr(path, '/');
    if (c->sync_fd < 0 || !slash ||
        !wr_strformat(c->log_path, sizeof c->log_path, "%s-wal", path) ||
        !wr_strformat(c->dir_path, sizeof c->dir_path, "%.*s/", (int)(slash - path), path)) {
        (void)wr_close(c->sync_fd);
        free(c);
        return wr_fail(err, WR_E_INTERNAL, errno, "checkpoints of %.120s", path);
    }
    pthread_mutex_init(&c->mutex, NULL);
    pthread_cond_init(&c->changed, NULL);
    int rc = sqlite3_open_v2(
        path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL);
    int r = rc == SQLITE_OK
                ? start(c, err)
                : wr_fail(err, WR_E_INTERNAL, 0, "%.120s: %s", path, sqlite3_errstr(rc));
    if (r == 0) {
        *ret = c;
        return 0;
    }
    (void)sqlite3_close(c->db);
    (void)wr_close(c->sync_fd);
    free(c);
    return r;
}

static void tell(struct wr_checkpointer *c, bool *what)
{
    pthread_mutex_lock(&c->mutex);
    *what = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->mutex);
}

void wr_checkpointer_ask(struct wr_checkpointer *checkpointer)
{
    tell(checkpointer, &checkpointer->asked);
}

uint64_t wr_checkpointer_sync(struct wr_checkpointer *checkpointer)
{
    pthread_mutex_lock(&checkpointer->mutex);
    uint64_t number = ++checkpointer->sync_wanted;
    pthread_cond_signal(&checkpointer->changed);
    pthread_mutex_unlock(&checkpointer->mutex);
    return number;
}

int wr_checkpointer_synced(struct wr_checkpointer *checkpointer, uint64_t number)
{
    pthread_mutex_lock(&checkpointer->mutex);
    bool done = checkpointer->sync_done >= number;
    int r = !done ? 0 : checkpointer->sync_result < 0 ? checkpointer->sync_result : 1;
    pthread_mutex_unlock(&checkpointer->mutex);
    return r;
}

int wr_checkpointer_sync_fd(const struct wr_checkpointer *checkpointer)
{
    return checkpointer->sync_fd;
}

struct wr_checkpointer *wr_checkpointer_free(struct wr_checkpointer *checkpointer)
{
    if (!checkpointer)
        return NULL;
    tell(checkpointer, &checkpointer->ends);
    pthread_join(checkpointer->thread, NULL);
    (void)sqlite3_close(checkpointer->db);
    (void)wr_close(checkpointer->sync_fd);
    pthread_cond_destroy(&checkpointer->changed);
    pthread_mutex_destroy(&checkpointer->mutex);
    free(checkpointer);
    return NULL;
}
