#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "client/executable.h"
#include "client/remote.h"
#include "client/start.h"

void wr_remote_pool_init(struct wr_remote_pool *pool)
{
    *pool = (struct wr_remote_pool){.owner = getpid()};
}

/* A mutex that a thread holds while another one forks is locked for ever in the child. This one is
 * free there: its holder is another process. What it guards takes a moment; what a child finds half
 * done it throws away. */
static void lock(struct wr_remote_pool *pool)
{
    int self = (int)getpid(), holder = 0;

    while (!atomic_compare_exchange_weak(&pool->lock, &holder, self)) {
        if (holder == self) {
            (void)sched_yield();
            holder = 0;
        }
    }
    if (pool->owner != self) {
        pool->owner = self;
        while (holder == 0 && pool->count > 0)
            wr_transport_abandon(pool->idle[--pool->count].transport);
        pool->count = 0;
    }
}

static void unlock(struct wr_remote_pool *pool)
{
    atomic_store(&pool->lock, 0);
}

void wr_remote_pool_done(struct wr_remote_pool *pool)
{
    lock(pool);
    while (pool->count > 0)
        wr_transport_free(pool->idle[--pool->count].transport);
    unlock(pool);
}

/* The one that was used last: its connection is the least likely to be closed by now. NULL. */
static struct wr_transport *take(struct wr_remote_pool *pool)
{
    struct wr_transport *stale[WR_REMOTE_IDLE_MAX], *found = NULL;
    uint64_t now_ms = wr_mono_ms();
    size_t stale_count = 0;

    lock(pool);
    if (pool->count > 0 && now_ms - pool->idle[pool->count - 1].since_ms < WR_REMOTE_IDLE_MS)
        found = pool->idle[--pool->count].transport;
    /* Ordered by age, the oldest first. */
    while (stale_count < pool->count &&
           now_ms - pool->idle[stale_count].since_ms >= WR_REMOTE_IDLE_MS) {
        stale[stale_count] = pool->idle[stale_count].transport;
        stale_count++;
    }
    pool->count -= stale_count;
    memmove(&pool->idle[0], &pool->idle[stale_count], pool->count * sizeof pool->idle[0]);
    unlock(pool);
    for (size_t i = 0; i < stale_count; i++)
        wr_transport_free(stale[i]);
    return found;
}

/* One with all that has happened to its connections meanwhile; NULL when none is of use. */
static struct wr_transport *take_usable(struct wr_remote_pool *pool)
{
    struct wr_error ignored = {0};

    for (int i = 0; i < WR_REMOTE_IDLE_MAX; i++) {
        struct wr_transport *transport = take(pool);
        if (!transport || wr_transport_step(transport, 0, &ignored) == 0)
            return transport;
        wr_transport_free(transport);
    }
    return NULL;
}

static void give_back(struct wr_remote_pool *pool, struct wr_transport *transport)
{
    lock(pool);
    if (pool->count < WR_REMOTE_IDLE_MAX) {
        pool->idle[pool->count].transport = transport;
        pool->idle[pool->count].since_ms = wr_mono_ms();
        pool->count++;
        transport = NULL;
    }
    unlock(pool);
    wr_transport_free(transport);
}

static bool nobody_listens(const struct wr_error *err)
{
    return err->code == WR_E_UNAVAILABLE &&
           (err->os_errno == ENOENT || err->os_errno == ECONNREFUSED);
}

/* Several threads, and programs, that want it at once agree on one of them by a lock beside the
 * socket. */
static int start_server(const struct wr_remote_use *use, struct wr_transport **ret,
                        struct wr_error *err)
{
    const struct wr_remote *remote = use->remote;
    uint64_t now_ms = wr_mono_ms();
    char *executable = NULL;

    int r = wr_executable_find(remote->executable, &executable, err);
    if (r < 0)
        return wr_wrap(err, "start of a server");
    struct wr_connect_opts opts = {.socket_path = wr_endpoint_socket(remote->endpoint),
                                   .data_dir = remote->data_dir,
                                   .executable = executable,
                                   .cancel_fd = use->cancel_fd};
    if (use->end_ms != UINT64_MAX) /* 0 would be its default */
        opts.timeout_ms = use->end_ms > now_ms ? use->end_ms - now_ms : 1;
    r = wr_transport_connect(&opts, ret, err);
    free(executable);
    return r;
}

static int open_new(const struct wr_remote_use *use, struct wr_transport **ret,
                    struct wr_error *err)
{
    int r = wr_transport_open(use->remote->endpoint, ret, err);
    if (r < 0 && use->remote->backend == WR_BACKEND_PRIVATE && nobody_listens(err))
        r = start_server(use, ret, err);
    return r;
}

/* When a call that begins now has to end, and by which token. */
static void set_wait(struct wr_remote_use *use, const struct wr_wait *wait)
{
    use->cancel_fd = wait && wait->cancel ? wr_cancel_fd(wait->cancel) : -1;
    use->end_ms = wait && wait->timeout_ms ? wr_mono_end_ms(wait->timeout_ms) : UINT64_MAX;
}

int wr_remote_begin(struct wr_remote *remote, const struct wr_wait *wait, struct wr_remote_use *ret,
                    struct wr_error *err)
{
    struct wr_remote_use use = {.remote = remote, .transport = take_usable(&remote->pool)};
    int r = 0;

    set_wait(&use, wait);
    if (!use.transport)
        r = open_new(&use, &use.transport, err);
    if (r < 0)
        return r;
    r = wr_transport_watch_cancel(use.transport, use.cancel_fd, err);
    if (r < 0) {
        wr_transport_free(use.transport);
        return r;
    }
    *ret = use;
    return 0;
}

int wr_remote_rebind(struct wr_remote_use *use, const struct wr_wait *wait, struct wr_error *err)
{
    set_wait(use, wait);
    return wr_transport_watch_cancel(use->transport, use->cancel_fd, err);
}

void wr_remote_rush(struct wr_remote_use *use, uint64_t ms)
{
    struct wr_error ignored = {0};

    /* Taking a watch away cannot fail. */
    (void)!wr_transport_watch_cancel(use->transport, -1, &ignored);
    use->cancel_fd = -1;
    use->end_ms = wr_mono_ms() + ms;
}

void wr_remote_end(struct wr_remote_use *use)
{
    struct wr_error ignored = {0};

    if (use->transport) {
        if (wr_transport_watch_cancel(use->transport, -1, &ignored) == 0)
            give_back(&use->remote->pool, use->transport);
        else
            wr_transport_free(use->transport);
    }
    *use = (struct wr_remote_use){0};
}

int wr_remote_restart(struct wr_remote_use *use, const struct wr_error *cause, struct wr_error *err)
{
    struct wr_transport *transport = NULL;

    if (use->remote->backend != WR_BACKEND_PRIVATE || use->restarted || !nobody_listens(cause)) {
        *err = *cause;
        return -err->code;
    }
    use->restarted = true;
    int r = start_server(use, &transport, err);
    /* The one that is used goes on: it connects again by itself. */
    wr_transport_free(transport);
    return r;
}

int wr_remote_step(struct wr_remote_use *use, const char *what, struct wr_error *err)
{
    uint64_t now_ms = wr_mono_ms();

    if (now_ms >= use->end_ms)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s: no answer in time", what);
    uint64_t left_ms = use->end_ms - now_ms;
    int r = wr_transport_step(use->transport, (int)WR_MIN(left_ms, (uint64_t)INT_MAX), err);
    return r == -WR_E_CANCELED ? wr_fail(err, WR_E_CANCELED, 0, "%s: cancelled", what) : r;
}

int wr_remote_sleep(struct wr_remote_use *use, uint64_t ms, const char *what, struct wr_error *err)
{
    uint64_t until_ms = wr_mono_ms() + ms, end_ms = use->end_ms;
    bool within = until_ms < end_ms;
    int r = 0;

    use->end_ms = WR_MIN(until_ms, end_ms);
    while (r == 0)
        r = wr_remote_step(use, what, err);
    use->end_ms = end_ms;
    return r == -WR_E_DEADLINE_EXCEEDED && within ? 0 : r;
}
