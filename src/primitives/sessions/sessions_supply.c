#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "base/str.h"
#include "primitives/core/clock.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/supply.h"
#include "primitives/execute/supply_crew.h"
#include "primitives/execute/supply_scope.h"
#include "primitives/sessions/sessions.h"

#define WAIT_MS  60000          /* when the workflow has no end */
#define AGAIN_MS ((uint64_t)50) /* while somebody else makes the session */

struct named {
    struct wr_sessions *sessions; /* borrowed */
    char id[WR_SESSION_ID_MAX];
    struct wr_crew *crew; /* for closing */
    atomic_bool closed;
    atomic_uint busy;
    atomic_uint_fast64_t created, killed, numbers;
};

struct held {
    struct wr_job job;
    struct named *supply;
    struct wr_sandbox *sandbox;
};

/* Once: resumed, or made. 1: to be tried again. */
static int get_once(struct named *supply, const struct wr_wait *wait, struct wr_sandbox **ret,
                    bool *ret_fresh, struct wr_error *err)
{
    struct wr_error tried = {0};

    int r = wr_sessions_resume_made(supply->sessions, supply->id, wait, ret, &tried);
    *ret_fresh = r == -WR_E_NOT_FOUND;
    if (*ret_fresh) {
        r = wr_sessions_create(supply->sessions, supply->id, wait, ret, &tried);
        if (r == -WR_E_ALREADY_EXISTS)
            return 1;
    }
    /* Whoever is making it may be gone. */
    if (r > 0 && wr_sessions_reconcile(supply->sessions, wait, &tried) < 0)
        r = -tried.code;
    if (r < 0)
        *err = tried;
    return r;
}

static int get(struct named *supply, struct wr_workflow *workflow, struct wr_sandbox **ret,
               bool *ret_fresh, struct wr_error *err)
{
    struct wr_wait wait = wr_workflow_wait(workflow, WAIT_MS);
    uint64_t end_ms = wr_clock_now_ms(&wr_system_clock) + wait.timeout_ms;

    for (;;) {
        uint64_t now_ms = wr_clock_now_ms(&wr_system_clock);
        int r = get_once(supply, &wait, ret, ret_fresh, err);
        if (r <= 0)
            return r;
        if (now_ms >= end_ms)
            return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                           "session %s: somebody else makes it, for more than %" PRIu64 " ms",
                           supply->id, wait.timeout_ms);
        r = wr_system_clock.sleep_until(wr_system_clock.self, now_ms + AGAIN_MS, wait.cancel, err);
        if (r < 0)
            return r;
    }
}

static int acquire(void *self, struct wr_workflow *workflow, struct wr_lease *ret,
                   struct wr_error *err)
{
    struct named *supply = self;
    bool fresh = false;

    if (atomic_load(&supply->closed))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "session %s: its supply was closed",
                       supply->id);
    struct held *held = wr_calloc(1, sizeof *held);
    if (!held)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "lease");
    int r = get(supply, workflow, &held->sandbox, &fresh, err);
    if (r < 0) {
        free(held);
        return r;
    }
    held->supply = supply;
    atomic_fetch_add(&supply->busy, 1);
    atomic_fetch_add(&supply->created, fresh);
    *ret = (struct wr_lease){.sandbox = held->sandbox,
                             .fresh = fresh,
                             .number = atomic_fetch_add(&supply->numbers, fresh) + fresh,
                             .entry = held};
    return 0;
}

static void run_close(struct wr_job *job)
{
    struct held *held = wr_container_of(job, struct held, job);
    struct named *supply = held->supply;
    struct wr_error ignored = {0};

    if (wr_sessions_close(supply->sessions, supply->id, NULL, &ignored) == 0)
        atomic_fetch_add(&supply->killed, 1);
    wr_sandbox_free(held->sandbox);
    free(held);
}

/* One that is gone is noticed, and made anew, by the next lease. */
static void release(void *self, const struct wr_lease *lease, enum wr_lease_end end)
{
    struct named *supply = self;
    struct held *held = lease->entry;

    atomic_fetch_sub(&supply->busy, 1);
    if (end == WR_LEASE_DIRTY) {
        held->job.run = run_close;
        wr_crew_submit(supply->crew, &held->job);
        return;
    }
    wr_sandbox_free(held->sandbox);
    free(held);
}

static void stats(void *self, struct wr_supply_stats *ret)
{
    struct named *supply = self;

    ret->created = atomic_load(&supply->created);
    ret->killed = atomic_load(&supply->killed);
    ret->busy = atomic_load(&supply->busy);
}

static void close_named(void *self)
{
    struct named *supply = self;

    atomic_store(&supply->closed, true);
}

static void free_named(void *self)
{
    struct named *supply = self;

    wr_crew_free(supply->crew);
    free(supply);
}

static const struct wr_supply_ops named_ops = {
    .kind = "sessions",
    .acquire = acquire,
    .release = release,
    .stats = stats,
    .close = close_named,
    .free = free_named,
};

struct wr_supply *wr_sessions_supply(struct wr_sessions *sessions, const char *id,
                                     struct wr_error *err)
{
    char kind[WR_SESSION_ID_MAX + sizeof "sessions "], scope[WR_PRIMITIVE_SCOPE_MAX];

    if (!id || !*id || strlen(id) >= WR_SESSION_ID_MAX) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a session's id has 1 to %d characters",
                      WR_SESSION_ID_MAX - 1);
        return NULL;
    }
    struct named *supply = wr_calloc(1, sizeof *supply);
    if (!supply) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "supply of sandboxes");
        return NULL;
    }
    supply->sessions = sessions;
    (void)!wr_strcopy(supply->id, sizeof supply->id, id); /* fits: see above */
    supply->crew = wr_crew_new("warren-sessions", 1, err);
    /* Which session it is decides what code in it finds. */
    if (!wr_strformat(kind, sizeof kind, "sessions %s", id))
        kind[0] = '\0'; /* cannot be: the id is short enough */
    wr_supply_scope_write(&(struct wr_supply_scope){.kind = kind,
                                                    .backend = wr_client_name(sessions->client),
                                                    .sandbox = &sessions->tmpl.opts},
                          scope);
    struct wr_supply *made = supply->crew ? wr_supply_make(&named_ops, supply, err) : NULL;
    if (made)
        wr_supply_set_scope(made, scope);
    else
        free_named(supply);
    return made;
}
