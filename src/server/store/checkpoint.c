#include "server/store/checkpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>

#include "base/alloc.h"
#include "log/log.h"

struct wr_checkpointer {
    pthread_t thread;
    sqlite3 *db; /* the thread's alone */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool asked, ends; /* under the mutex */
};

/* False: the thread is to end. */
static bool wait_for_work(struct wr_checkpointer *c)
{
    pthread_mutex_lock(&c->mutex);
    while (!c->asked && !c->ends)
        pthread_cond_wait(&c->changed, &c->mutex);
    c->asked = false;
    bool goes_on = !c->ends;
    pthread_mutex_unlock(&c->mutex);
    return goes_on;
}

static void *run(void *data)
{
    struct wr_checkpointer *c = data;

    while (wait_for_work(c)) {
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

struct wr_checkpointer *wr_checkpointer_free(struct wr_checkpointer *checkpointer)
{
    if (!checkpointer)
        return NULL;
    tell(checkpointer, &checkpointer->ends);
    pthread_join(checkpointer->thread, NULL);
    (void)sqlite3_close(checkpointer->db);
    pthread_cond_destroy(&checkpointer->changed);
    pthread_mutex_destroy(&checkpointer->mutex);
    free(checkpointer);
    return NULL;
}
