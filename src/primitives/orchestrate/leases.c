#include "primitives/orchestrate/leases.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "primitives/core/clock.h"
#include "primitives/orchestrate/waiter.h"

#define MAX_NAMES    4096 /* that are held or waited for at a time */
#define NAME_MAX_LEN 255
#define MAX_TTL_MS   ((uint64_t)24 * 3600 * 1000)

/* A thread that waits for a name. */
struct applicant {
    struct wr_waiter waiter;
    uint64_t ttl_ms;
    uint64_t token; /* once it has the lease */
};

/* A name that somebody holds or waits for. */
struct held {
    struct wr_list link;
    char *name;
    uint64_t token;      /* of who has it; 0: nobody */
    uint64_t expires_ms; /* then others may take it */
    struct wr_list line; /* of struct applicant */
};

struct wr_leases {
    pthread_mutex_t lock;
    const struct wr_clock *clock;
    uint64_t last_token; /* of all names, so it grows for each */
    size_t count;
    struct wr_list names; /* of struct held */
};

struct wr_leases *wr_leases_new_with(const struct wr_clock *clock, struct wr_error *err)
{
    struct wr_leases *leases = wr_calloc(1, sizeof *leases);

    if (!leases) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "leases");
        return NULL;
    }
    (void)pthread_mutex_init(&leases->lock, NULL);
    leases->clock = wr_clock_or_system(clock);
    wr_list_init(&leases->names);
    return leases;
}

struct wr_leases *wr_leases_new(struct wr_error *err)
{
    return wr_leases_new_with(NULL, err);
}

static void held_free(struct wr_leases *leases, struct held *held)
{
    wr_list_remove(&held->link);
    leases->count--;
    free(held->name);
    free(held);
}

struct wr_leases *wr_leases_free(struct wr_leases *leases)
{
    if (!leases)
        return NULL;
    wr_list_foreach(at, &leases->names)
        held_free(leases, wr_list_entry(at, struct held, link));
    (void)pthread_mutex_destroy(&leases->lock);
    free(leases);
    return NULL;
}

static struct held *find(const struct wr_leases *leases, const char *name)
{
    wr_list_foreach(at, &leases->names) {
        struct held *held = wr_list_entry(at, struct held, link);
        if (wr_streq(held->name, name))
            return held;
    }
    return NULL;
}

static struct held *find_or_make(struct wr_leases *leases, const char *name, struct wr_error *err)
{
    struct held *held = find(leases, name);

    if (held)
        return held;
    if (leases->count >= MAX_NAMES) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "more than %d names are held", MAX_NAMES);
        return NULL;
    }
    held = wr_calloc(1, sizeof *held);
    if (held)
        held->name = wr_strdup(name);
    if (!held || !held->name) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "lease");
        free(held);
        return NULL;
    }
    wr_list_init(&held->line);
    wr_list_append(&leases->names, &held->link);
    leases->count++;
    return held;
}

/* Whoever is first in the line gets the name if it is free. A name without anybody is forgotten. */
static void advance(struct wr_leases *leases, struct held *held)
{
    uint64_t now = wr_clock_now_ms(leases->clock);
    bool waited_for = !wr_list_empty(&held->line);

    if (held->token && now < held->expires_ms)
        return;
    /* One that has expired is its holder's until somebody else comes. */
    if (!waited_for && held->token)
        return;
    if (!waited_for) {
        held_free(leases, held);
        return;
    }
    struct applicant *first = wr_container_of(held->line.next, struct applicant, waiter.link);
    wr_list_remove(&first->waiter.link);
    held->token = first->token = ++leases->last_token;
    held->expires_ms = now + first->ttl_ms;
    wr_waiter_wake(&first->waiter);
}

/* The lock is held, and the applicant is in the line. The name may have been forgotten when this
 * returns with an error. */
static int wait_in_line(struct wr_leases *leases, struct held *held, struct applicant *self,
                        struct wr_workflow *workflow, struct wr_error *err)
{
    int r = 0;

    while (!self->token && r >= 0) {
        uint64_t now = wr_clock_now_ms(leases->clock);
        uint64_t bound = held->expires_ms > now ? held->expires_ms - now : 1;
        (void)pthread_mutex_unlock(&leases->lock);
        r = wr_waiter_wait(&self->waiter, workflow, bound, err);
        (void)pthread_mutex_lock(&leases->lock);
        if (!self->token)
            advance(leases, held); /* stays while somebody is in the line */
    }
    if (self->token)
        return 0; /* it came before the end of the workflow */
    wr_list_remove(&self->waiter.link);
    advance(leases, held);
    return r;
}

static int check(const char *name, uint64_t ttl_ms, struct wr_error *err)
{
    size_t len = name ? strnlen(name, NAME_MAX_LEN + 1) : 0;

    if (len == 0 || len > NAME_MAX_LEN)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name of a lease has 1 to %d bytes",
                       NAME_MAX_LEN);
    if (ttl_ms == 0 || ttl_ms > MAX_TTL_MS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a lease lasts from 1 ms to 24 hours");
    return 0;
}

int wr_leases_take(struct wr_leases *leases, const char *name, uint64_t ttl_ms,
                   struct wr_workflow *workflow, uint64_t *ret_token, struct wr_error *err)
{
    struct applicant self = {.ttl_ms = ttl_ms};

    int r = check(name, ttl_ms, err);
    if (r == 0 && workflow)
        r = wr_workflow_check(workflow, err);
    if (r == 0)
        r = wr_waiter_init(&self.waiter, err);
    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&leases->lock);
    struct held *held = find_or_make(leases, name, err);
    if (held) {
        wr_list_append(&held->line, &self.waiter.link);
        advance(leases, held);
        r = wait_in_line(leases, held, &self, workflow, err);
    } else {
        r = -err->code;
    }
    (void)pthread_mutex_unlock(&leases->lock);
    wr_waiter_done(&self.waiter);
    if (r == 0)
        *ret_token = self.token;
    return r;
}

int wr_leases_renew(struct wr_leases *leases, const char *name, uint64_t token, uint64_t ttl_ms,
                    struct wr_error *err)
{
    int r = check(name, ttl_ms, err);

    if (r < 0)
        return r;
    (void)pthread_mutex_lock(&leases->lock);
    struct held *held = find(leases, name);
    bool mine = held && token && held->token == token;
    if (mine)
        held->expires_ms = wr_clock_now_ms(leases->clock) + ttl_ms;
    (void)pthread_mutex_unlock(&leases->lock);
    return mine ? 0
                : wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                          "the lease of %.100s has ended; take it again", name);
}

void wr_leases_give(struct wr_leases *leases, const char *name, uint64_t token)
{
    (void)pthread_mutex_lock(&leases->lock);
    struct held *held = find(leases, name);
    if (held && token && held->token == token) {
        held->token = 0;
        advance(leases, held);
    }
    (void)pthread_mutex_unlock(&leases->lock);
}
