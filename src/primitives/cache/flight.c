#include "primitives/cache/flight.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/str.h"

struct wr_flights {
    pthread_mutex_t lock; /* of all flights too */
    struct wr_list going; /* as many as threads at most: no table */
    uint64_t landed;
};

struct wr_flight {
    struct wr_list link; /* not linked once it has landed */
    char key[WR_CACHE_KEY_SIZE];
    unsigned holders; /* the leader and those who wait */
    int fd;           /* eventfd, readable once it has landed; -1 while nobody waits */
    bool gave_up;
    struct wr_value *value; /* owned */
    struct wr_error error;
};

struct wr_flights *wr_flights_new(struct wr_error *err)
{
    struct wr_flights *flights = wr_calloc(1, sizeof *flights);

    if (!flights) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
        return NULL;
    }
    (void)pthread_mutex_init(&flights->lock, NULL);
    wr_list_init(&flights->going);
    return flights;
}

struct wr_flights *wr_flights_free(struct wr_flights *flights)
{
    if (!flights)
        return NULL;
    (void)pthread_mutex_destroy(&flights->lock);
    free(flights);
    return NULL;
}

uint64_t wr_flights_landed(struct wr_flights *flights)
{
    (void)pthread_mutex_lock(&flights->lock);
    uint64_t landed = flights->landed;
    (void)pthread_mutex_unlock(&flights->lock);
    return landed;
}

static struct wr_flight *find(struct wr_flights *flights, const char *key)
{
    wr_list_foreach(it, &flights->going) {
        struct wr_flight *flight = wr_list_entry(it, struct wr_flight, link);
        if (wr_streq(flight->key, key))
            return flight;
    }
    return NULL;
}

static int start(struct wr_flights *flights, const char *key, struct wr_flight **ret,
                 struct wr_error *err)
{
    struct wr_flight *flight = wr_calloc(1, sizeof *flight);

    if (!flight)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache");
    memcpy(flight->key, key, sizeof flight->key);
    flight->holders = 1;
    flight->fd = -1;
    wr_list_append(&flights->going, &flight->link);
    *ret = flight;
    return WR_FLIGHT_LEADER;
}

int wr_flight_join(struct wr_flights *flights, const char *key, struct wr_flight **ret,
                   struct wr_error *err)
{
    (void)pthread_mutex_lock(&flights->lock);
    struct wr_flight *flight = find(flights, key);
    int r = WR_FLIGHT_WAITER;
    if (!flight) {
        r = start(flights, key, ret, err);
    } else {
        if (flight->fd < 0)
            flight->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (flight->fd < 0) {
            r = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "waiting for an execution");
        } else {
            flight->holders++;
            *ret = flight;
        }
    }
    (void)pthread_mutex_unlock(&flights->lock);
    return r;
}

/* One holder less; under the lock. */
static void leave(struct wr_flight *flight)
{
    if (--flight->holders > 0)
        return;
    wr_close(flight->fd);
    wr_value_free(flight->value);
    free(flight);
}

void wr_flight_land(struct wr_flights *flights, struct wr_flight *flight,
                    const struct wr_flight_end *end)
{
    (void)pthread_mutex_lock(&flights->lock);
    wr_list_remove(&flight->link);
    flight->gave_up = end->gave_up;
    flight->value = wr_value_ref(end->value);
    if (end->error)
        flight->error = *end->error;
    else
        flights->landed++;
    /* Cannot fail: the counter is far from its maximum. */
    if (flight->fd >= 0)
        (void)!eventfd_write(flight->fd, 1);
    leave(flight);
    (void)pthread_mutex_unlock(&flights->lock);
}

/* Until it has landed, or the workflow's end. */
static int wait_for_landing(const struct wr_flight *flight, struct wr_workflow *workflow,
                            struct wr_error *err)
{
    for (;;) {
        int r = wr_workflow_check(workflow, err);
        if (r < 0)
            return r;
        struct wr_wait wait = wr_workflow_wait(workflow, 60000);
        struct pollfd fds[] = {{.fd = flight->fd, .events = POLLIN},
                               {.fd = wr_cancel_fd(wait.cancel), .events = POLLIN}};
        (void)poll(fds, 2, (int)wait.timeout_ms);
        if (fds[0].revents)
            return 0;
    }
}

int wr_flight_wait(struct wr_flights *flights, struct wr_flight *flight,
                   struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err)
{
    int r = wait_for_landing(flight, workflow, err);

    (void)pthread_mutex_lock(&flights->lock);
    if (r == 0 && flight->gave_up)
        r = 1;
    else if (r == 0 && flight->error.code != 0)
        r = -(*err = flight->error).code;
    else if (r == 0)
        *ret = wr_value_ref(flight->value);
    leave(flight);
    (void)pthread_mutex_unlock(&flights->lock);
    return r;
}
