#include "client/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/url.h"

#define RETRY_MS 10 /* until there may be a thread */

/* What thread and lookup share; the last one frees it. */
struct wr_lookup_shared {
    atomic_uint holders;
    int done_fd;      /* owned: readable once it is done */
    atomic_bool done; /* the thread has written what follows */
    char host[WR_URL_HOST_MAX];
    uint16_t port;
    int result; /* of getaddrinfo() */
    int os_errno;
    size_t count;
    struct wr_lookup_address addresses[WR_LOOKUP_ADDRESSES];
};

/* Of the process, as what it counts is: transports do not know of each other. The upper half is the
 * process: a forked child has none of its parent's threads. */
static _Atomic uint64_t threads;

/* False when there are as many as there may be. */
static bool count_thread(void)
{
    const uint64_t self = (uint64_t)getpid() << 32;
    uint64_t seen = atomic_load(&threads), count = 0;

    do {
        count = seen >> 32 == self >> 32 ? (uint32_t)seen : 0;
        if (count >= WR_LOOKUP_THREADS)
            return false;
    } while (!atomic_compare_exchange_weak(&threads, &seen, self | (count + 1)));
    return true;
}

static void uncount_thread(void)
{
    atomic_fetch_sub(&threads, 1);
}

static void drop(struct wr_lookup_shared *shared)
{
    if (atomic_fetch_sub_explicit(&shared->holders, 1, memory_order_acq_rel) != 1)
        return;
    (void)wr_close(shared->done_fd);
    free(shared);
}

/* ---- the thread ---- */

static void take_addresses(struct wr_lookup_shared *shared, const struct addrinfo *found)
{
    for (; found && shared->count < WR_LOOKUP_ADDRESSES; found = found->ai_next) {
        struct wr_lookup_address *address = &shared->addresses[shared->count];
        if (found->ai_addrlen > sizeof address->ip6)
            continue;
        memcpy(&address->ip6, found->ai_addr, found->ai_addrlen);
        address->len = found->ai_addrlen;
        shared->count++;
    }
}

static void *resolve(void *data)
{
    struct wr_lookup_shared *shared = data;
    /* Addresses of a kind that this machine lacks are last, and fail at once. */
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const uint64_t one = 1;
    char service[8];

    if (!wr_strformat(service, sizeof service, "%u", shared->port))
        service[0] = '\0';
    shared->result = getaddrinfo(shared->host, service, &hints, &found);
    shared->os_errno = shared->result == EAI_SYSTEM ? errno : 0;
    if (shared->result == 0) {
        take_addresses(shared, found);
        freeaddrinfo(found);
    }
    atomic_store_explicit(&shared->done, true, memory_order_release);
    /* Of an eventfd that nobody else writes to: it cannot be full. */
    (void)!write(shared->done_fd, &one, sizeof one);
    drop(shared);
    uncount_thread();
    return NULL;
}

/* 0, or an errno. */
static int start_thread(struct wr_lookup *lookup)
{
    struct wr_lookup_shared *shared = lookup->shared;
    sigset_t all, before;
    pthread_t thread;

    if (!count_thread())
        return EAGAIN;
    atomic_fetch_add_explicit(&shared->holders, 1, memory_order_relaxed);
    /* Signals are the program's, for threads that it knows. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&thread, NULL, resolve, shared);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (e != 0) {
        drop(shared);
        uncount_thread();
        return e;
    }
    lookup->thread = thread;
    lookup->has_thread = true;
    return 0;
}

/* ---- its user ---- */

bool wr_lookup_literal(const char *host, uint16_t port, struct wr_lookup_address *ret)
{
    struct wr_lookup_address address = {0};

    if (inet_pton(AF_INET, host, &address.ip4.sin_addr) == 1) {
        address.ip4.sin_family = AF_INET;
        address.ip4.sin_port = htons(port);
        address.len = sizeof address.ip4;
    } else if (inet_pton(AF_INET6, host, &address.ip6.sin6_addr) == 1) {
        address.ip6.sin6_family = AF_INET6;
        address.ip6.sin6_port = htons(port);
        address.len = sizeof address.ip6;
    } else {
        return false;
    }
    *ret = address;
    return true;
}

static void on_done(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_lookup *lookup = data;
    struct wr_lookup_shared *shared = lookup->shared;
    struct wr_error error = {0};

    (void)events;
    if (!atomic_load_explicit(&shared->done, memory_order_acquire))
        return;
    wr_source_remove(source);
    /* It has nothing more to do, and whoever looks for threads afterwards finds none. */
    pthread_join(lookup->thread, NULL);
    lookup->has_thread = false;
    lookup->shared = NULL;
    if (shared->count == 0)
        (void)wr_fail(&error, WR_E_UNAVAILABLE, shared->os_errno,
                      "the name cannot be resolved (%s); check it, and this machine's DNS",
                      shared->result ? gai_strerror(shared->result) : "it has no address");
    lookup->fn(lookup, shared->addresses, shared->count, shared->count ? NULL : &error);
    drop(shared);
}

static void on_retry(struct wr_timer *timer, void *data)
{
    struct wr_lookup *lookup = data;
    struct wr_error error = {0};
    int e = start_thread(lookup);

    /* Later threads may have ended; the time that the user has is the bound. */
    if (e == 0 || wr_timer_start(lookup->loop, timer, RETRY_MS, on_retry, lookup, &error) == 0)
        return;
    wr_lookup_cancel(lookup);
    lookup->fn(lookup, NULL, 0, &error);
}

int wr_lookup_start(struct wr_lookup *lookup, struct wr_loop *loop, const char *host, uint16_t port,
                    struct wr_error *err)
{
    struct wr_lookup_shared *shared = wr_calloc(1, sizeof *shared);

    if (!shared)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "lookup of %.60s", host);
    atomic_init(&shared->holders, 1);
    shared->port = port;
    shared->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    lookup->loop = loop;
    lookup->shared = shared;
    int r = 0;
    if (shared->done_fd < 0)
        r = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "lookup of %.60s", host);
    if (r == 0 && !wr_strcopy(shared->host, sizeof shared->host, host))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "host %.60s...: too long", host);
    if (r == 0)
        r = wr_source_add(loop, &lookup->source, shared->done_fd, EPOLLIN, on_done, lookup, err);
    if (r == 0 && start_thread(lookup) != 0)
        r = wr_timer_start(loop, &lookup->retry, RETRY_MS, on_retry, lookup, err);
    if (r < 0)
        wr_lookup_cancel(lookup);
    return r;
}

void wr_lookup_cancel(struct wr_lookup *lookup)
{
    if (!lookup->shared)
        return;
    wr_source_remove(&lookup->source);
    wr_timer_stop(&lookup->retry);
    if (lookup->has_thread)
        pthread_detach(lookup->thread);
    lookup->has_thread = false;
    drop(wr_steal_ptr(&lookup->shared));
}
