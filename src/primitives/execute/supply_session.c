#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/options.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "primitives/execute/supply_carry.h"
#include "primitives/execute/supply_maker.h"
#include "primitives/execute/supply_queue.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"

#define DEFAULT_MAX_AGE_S 3300
#define MARGIN_S          300               /* what a sandbox lives longer at its server */
#define DRAIN_MS          ((uint64_t)60000) /* how long leases may keep a rotation waiting */
#define CARRY_TIMEOUT_MS  60000             /* of each of its steps */

/* One sandbox of the session: the current one, or one that was replaced and still has leases. */
struct box {
    struct wr_list link; /* in the session's list of those that were replaced */
    struct wr_made made;
    uint64_t number;
    unsigned leases, uses;
};

struct session {
    struct wr_maker maker;
    uint64_t max_age_ms;
    bool carry_files, carry_variables;

    pthread_mutex_t lock; /* of what follows */
    struct box *current;  /* NULL: none, or it may not be used again */
    struct wr_list replaced;
    unsigned replaced_count;
    struct wr_queue queue;
    uint64_t numbers, rotations;
    bool closing;
    bool making; /* the job is under way */
    struct wr_job job;
    struct wr_workflow *made_for; /* held: of the lease that needed the new sandbox */
};

/* ---- boxes; the lock is held ---- */

static uint64_t age_ms(const struct session *session, const struct box *box)
{
    return wr_maker_now_ms(&session->maker) - box->made.made_ms;
}

static bool is_expired(const struct session *session, const struct box *box)
{
    return age_ms(session, box) >= session->max_age_ms;
}

static void end_if_unused(struct session *session, struct box *box)
{
    if (box->leases > 0)
        return;
    wr_list_remove(&box->link);
    session->replaced_count--;
    wr_maker_kill_later(&session->maker, &box->made);
    free(box);
}

/* It is not given to anybody any more, and goes with its last lease. */
static void replace(struct session *session, struct box *box)
{
    if (session->current == box)
        session->current = NULL;
    wr_list_append(&session->replaced, &box->link);
    session->replaced_count++;
    end_if_unused(session, box);
}

static void give_to_all(struct session *session, struct box *box)
{
    while (wr_queue_give(&session->queue, box))
        box->leases++;
}

/* ---- making, in a thread of the crew ---- */

static void log_rotation(const struct session *session, const struct box *old,
                         const struct wr_made *made, json_t *report)
{
    struct wr_workflow *workflow = wr_maker_workflow(&session->maker, session->made_for);

    wr_metric_add(wr_maker_telemetry(&session->maker, session->made_for), WR_METRIC_ROTATIONS, NULL,
                  1);
    (void)json_object_set_new(report, "sandbox_id", json_string(wr_sandbox_id(made->sandbox)));
    (void)json_object_set_new(report, "replaced", json_string(wr_sandbox_id(old->made.sandbox)));
    (void)json_object_set_new(report, "age_s",
                              json_real(wr_maker_age_s(&session->maker, &old->made)));
    if (workflow)
        wr_telemetry_log(workflow, "info", "session_rotated", session->maker.kind,
                         json_incref(report));
}

/* `old` has leases when `busy`: its contexts are working, and what is in them stays there. */
static void rotate(struct session *session, const struct box *old, bool busy,
                   const struct wr_made *made)
{
    const struct wr_carry what = {.files = session->carry_files,
                                  .variables = session->carry_variables && !busy,
                                  .wait = {.timeout_ms = CARRY_TIMEOUT_MS}};
    wr_auto_json *report = json_object();

    if (!report)
        return;
    wr_carry(old->made.sandbox, made->sandbox, &what, report);
    if (session->carry_variables && busy)
        (void)json_object_set_new(report, "variables_left", json_string("code is still running"));
    log_rotation(session, old, made, report);
}

/* The old one serves on for a while, rather than none. */
static bool still_serves(const struct session *session, const struct box *old)
{
    return old && age_ms(session, old) < session->max_age_ms + MARGIN_S * 1000 - DRAIN_MS;
}

static void making_failed(struct session *session, const struct wr_error *err)
{
    if (still_serves(session, session->current))
        give_to_all(session, session->current);
    else
        wr_queue_fail(&session->queue, err);
}

/* `box` takes the place of the current one. */
static void install(struct session *session, struct box *box)
{
    box->number = ++session->numbers;
    if (session->current) {
        session->rotations++;
        replace(session, session->current);
    }
    session->current = box;
    give_to_all(session, box);
}

static void run_make(struct wr_job *job)
{
    struct session *session = wr_container_of(job, struct session, job);
    struct box *box = wr_calloc(1, sizeof *box);
    struct wr_error err = {0};

    (void)pthread_mutex_lock(&session->lock);
    struct box *old = session->current;
    bool busy = old && old->leases > 0;
    if (old)
        old->leases++; /* of this job: it must not go meanwhile */
    (void)pthread_mutex_unlock(&session->lock);
    int r = box ? wr_maker_create(&session->maker, NULL, session->max_age_ms / 1000 + MARGIN_S,
                                  &box->made, &err)
                : wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "session");
    if (r == 0 && old)
        rotate(session, old, busy, &box->made);

    (void)pthread_mutex_lock(&session->lock);
    if (old)
        old->leases--;
    if (old && old != session->current) /* given up meanwhile, and only this job still held it */
        end_if_unused(session, old);
    if (r == 0)
        install(session, box);
    else
        making_failed(session, &err);
    if (session->closing && session->current && session->current->leases == 0)
        replace(session, session->current);
    session->making = false;
    session->made_for = wr_workflow_free(session->made_for);
    (void)pthread_mutex_unlock(&session->lock);
    if (r < 0)
        free(box);
}

static void start_making(struct session *session, struct wr_workflow *workflow)
{
    struct wr_error ignored = {0};

    if (session->making)
        return;
    session->making = true;
    /* Of its own: the caller goes on with his while the job is under way. */
    session->made_for = workflow ? wr_workflow_scope(workflow, NULL, &ignored) : NULL;
    wr_crew_submit(session->maker.crew, &session->job);
}

/* ---- leases ---- */

/* When to look again: UINT64_MAX, or the moment from which running leases do not keep a rotation
 * waiting any more. */
static uint64_t begin_waiting(struct session *session, struct wr_workflow *workflow)
{
    const struct box *box = session->current;

    if (!session->making && box && box->leases > 0 &&
        age_ms(session, box) < session->max_age_ms + DRAIN_MS)
        return box->made.made_ms + session->max_age_ms + DRAIN_MS;
    start_making(session, workflow);
    return UINT64_MAX;
}

static int wait_for_box(struct session *session, struct wr_workflow *workflow, uint64_t end_ms,
                        struct box **ret, struct wr_error *err)
{
    struct wr_wait time = wr_workflow_wait(workflow, 0);
    struct wr_waiter waiter;
    struct wr_error waited = {0};
    void *entry = NULL;

    int r = wr_queue_enter(&session->queue, &waiter, time.cancel, err);
    if (r < 0)
        return r;
    uint64_t look_ms = begin_waiting(session, workflow);
    struct wr_queue_wait wait = {.lock = &session->lock,
                                 .clock = session->maker.clock,
                                 .cancel = time.cancel,
                                 .timeout_ms = time.timeout_ms,
                                 .until_ms = WR_MIN(end_ms, look_ms)};
    r = wr_queue_wait(&session->queue, &waiter, &wait, &entry, &waited);
    if (r == 0)
        *ret = entry;
    /* Not the caller's time is over, but the patience with those who have leases. */
    else if (waited.code == WR_E_DEADLINE_EXCEEDED && look_ms < end_ms)
        r = 0;
    else
        *err = waited;
    return r;
}

static int get_box(struct session *session, struct wr_workflow *workflow, struct box **ret,
                   struct wr_error *err)
{
    uint64_t left_ms = wr_workflow_wait(workflow, 0).timeout_ms;
    uint64_t end_ms = left_ms ? wr_maker_now_ms(&session->maker) + left_ms : UINT64_MAX;
    int r = 0;

    /* At most twice: after the patience is over, a new sandbox is made in any case. */
    for (*ret = NULL; r == 0 && !*ret;) {
        struct box *box = session->current;
        if (session->closing) {
            r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the session was closed");
        } else if (box && !session->making && !is_expired(session, box)) {
            box->leases++;
            *ret = box;
        } else {
            r = wait_for_box(session, workflow, end_ms, ret, err);
        }
    }
    return r;
}

static int acquire(void *self, struct wr_workflow *workflow, struct wr_lease *ret,
                   struct wr_error *err)
{
    struct session *session = self;
    struct box *box = NULL;

    (void)pthread_mutex_lock(&session->lock);
    int r = get_box(session, workflow, &box, err);
    if (r == 0) {
        wr_maker_adopt(&session->maker, workflow, &box->made);
        wr_metric_set(wr_maker_telemetry(&session->maker, workflow), WR_METRIC_SESSION_AGE, NULL,
                      wr_maker_age_s(&session->maker, &box->made));
        box->uses++;
        *ret = (struct wr_lease){.sandbox = box->made.sandbox,
                                 .fresh = box->uses == 1,
                                 .number = box->number,
                                 .entry = box};
    }
    (void)pthread_mutex_unlock(&session->lock);
    return r;
}

static void release(void *self, const struct wr_lease *lease, enum wr_lease_end end)
{
    struct session *session = self;
    struct box *box = lease->entry;

    (void)pthread_mutex_lock(&session->lock);
    box->leases--;
    if (wr_list_linked(&box->link))
        end_if_unused(session, box);
    else if (end != WR_LEASE_DONE || session->closing)
        replace(session, box);
    /* They wait for the last lease, or there is no sandbox any more. */
    if (session->queue.count > 0 && !(session->current && session->current->leases > 0))
        start_making(session, NULL);
    (void)pthread_mutex_unlock(&session->lock);
}

static void stats(void *self, struct wr_supply_stats *ret)
{
    struct session *session = self;

    (void)pthread_mutex_lock(&session->lock);
    const struct box *box = session->current;
    ret->created = atomic_load(&session->maker.created);
    ret->killed = atomic_load(&session->maker.killed);
    ret->busy = session->replaced_count + (box && box->leases > 0);
    ret->idle = box && box->leases == 0;
    ret->creating = session->making;
    ret->waiting = session->queue.count;
    ret->rotations = session->rotations;
    ret->oldest_age_s = box ? wr_maker_age_s(&session->maker, &box->made) : 0;
    wr_list_foreach(it, &session->replaced) {
        const struct box *old = wr_list_entry(it, struct box, link);
        ret->oldest_age_s = WR_MAX(ret->oldest_age_s, wr_maker_age_s(&session->maker, &old->made));
    }
    (void)pthread_mutex_unlock(&session->lock);
}

/* ---- its life ---- */

static void close_session(void *self)
{
    struct session *session = self;
    struct wr_error closed = {0};

    (void)wr_fail(&closed, WR_E_CANCELED, 0, "the session was closed while waiting for it");
    (void)pthread_mutex_lock(&session->lock);
    session->closing = true;
    wr_queue_fail(&session->queue, &closed);
    if (session->current && session->current->leases == 0)
        replace(session, session->current);
    (void)pthread_mutex_unlock(&session->lock);
    wr_maker_close(&session->maker);
}

/* Also those whose leases were forgotten. */
static void end_all(struct session *session)
{
    (void)pthread_mutex_lock(&session->lock);
    if (session->current && !session->making)
        replace(session, session->current);
    wr_list_foreach(it, &session->replaced) {
        struct box *box = wr_list_entry(it, struct box, link);
        if (!session->making)
            box->leases = 0;
        end_if_unused(session, box);
    }
    (void)pthread_mutex_unlock(&session->lock);
}

static void free_session(void *self)
{
    struct session *session = self;

    end_all(session);
    wr_maker_done(&session->maker);
    (void)pthread_mutex_destroy(&session->lock);
    free(session);
}

static const struct wr_supply_ops session_ops = {
    .kind = "session",
    .acquire = acquire,
    .release = release,
    .stats = stats,
    .close = close_session,
    .free = free_session,
};

struct wr_supply *wr_supply_session(struct wr_client *client, const struct wr_supply_opts *given,
                                    struct wr_error *err)
{
    struct wr_supply_opts opts;

    if (wr_options_read(given, &opts, sizeof opts, "wr_supply_opts", err) < 0)
        return NULL;
    struct session *session = wr_calloc(1, sizeof *session);
    if (!session) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "session");
        return NULL;
    }
    (void)pthread_mutex_init(&session->lock, NULL);
    wr_list_init(&session->replaced);
    wr_queue_init(&session->queue);
    session->job.run = run_make;
    session->max_age_ms = (opts.max_age_s ? opts.max_age_s : DEFAULT_MAX_AGE_S) * 1000;
    session->carry_files = opts.carry_files;
    session->carry_variables = opts.carry_variables;
    if (wr_maker_init(&session->maker, session_ops.kind, client, &opts, err) == 0) {
        struct wr_supply *made = wr_supply_make(&session_ops, session, err);
        if (made) {
            wr_supply_set_scope(made, session->maker.scope);
            return made;
        }
    }
    free_session(session);
    return NULL;
}
