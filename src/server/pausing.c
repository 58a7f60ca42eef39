#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"
#include "server/records.h"
#include "server/server.h"
#include "server/transition.h"

/* ---- waiters ---- */

void wr_transition_free(struct wr_transition *t)
{
    if (t->sandbox)
        t->sandbox->transition = NULL;
    wr_timer_stop(&t->timer);
    wr_job_turn_end(&t->turn);
    wr_agent_call_cancel(&t->probe);
    explicit_bzero(&t->wish, sizeof t->wish);
    free(t);
}

static void waiter_free(struct wr_transition_waiter *waiter)
{
    explicit_bzero(waiter, sizeof *waiter);
    free(waiter);
}

static void move_waiter(struct wr_transition_waiter *waiter, struct wr_list *to)
{
    wr_list_remove(&waiter->link);
    wr_list_append(to, &waiter->link);
}

/* They may do anything, to this sandbox too. `error` NULL: it is done. */
static void call_all(struct wr_list *waiters, const struct wr_error *error)
{
    while (!wr_list_empty(waiters)) {
        struct wr_transition_waiter *waiter =
            wr_list_entry(waiters->next, struct wr_transition_waiter, link);
        wr_list_remove(&waiter->link);
        wr_done_fn fn = waiter->fn;
        void *data = waiter->data;
        waiter_free(waiter);
        fn(error, data);
    }
}

bool wr_transition_wants(const struct wr_transition *t, enum wr_transition_kind kind)
{
    wr_list_foreach(it, &t->waiters) {
        const struct wr_transition_waiter *waiter =
            wr_list_entry(it, struct wr_transition_waiter, link);
        if (waiter->wish.kind == kind)
            return true;
    }
    return false;
}

static void take_kind(struct wr_transition *t, enum wr_transition_kind kind, struct wr_list *out)
{
    wr_list_foreach(it, &t->waiters) {
        struct wr_transition_waiter *waiter = wr_list_entry(it, struct wr_transition_waiter, link);
        if (waiter->wish.kind == kind)
            move_waiter(waiter, out);
    }
}

static void turn(struct wr_transition *t);

static void on_turn(struct wr_timer *timer, void *data)
{
    (void)timer;
    turn(data);
}

static int plan_turn(struct wr_transition *t, struct wr_error *err)
{
    return wr_timer_start(t->server->loop, &t->timer, 0, on_turn, t, err);
}

/* Nothing is under way any more: whoever else waits has his turn. */
static void rest(struct wr_transition *t)
{
    struct wr_list refused;
    struct wr_error error = {0};

    t->busy = false;
    wr_job_turn_end(&t->turn);
    if (wr_list_empty(&t->waiters)) {
        wr_transition_free(t);
        return;
    }
    if (plan_turn(t, &error) == 0)
        return;
    wr_list_init(&refused);
    take_kind(t, WR_TO_PAUSE, &refused);
    take_kind(t, WR_TO_RESUME, &refused);
    take_kind(t, WR_TO_ROLLBACK, &refused);
    wr_transition_free(t);
    call_all(&refused, &error);
}

/* The end of `kind`, for everybody who asked for that. */
void wr_transition_over(struct wr_transition *t, enum wr_transition_kind kind,
                        const struct wr_error *error)
{
    const struct wr_error failure = error ? *error : (struct wr_error){0};
    struct wr_list done;

    wr_list_init(&done);
    take_kind(t, kind, &done);
    rest(t);
    call_all(&done, error ? &failure : NULL);
}

static bool paused_enough(const struct wr_transition *t, const struct wr_transition_waiter *waiter)
{
    return waiter->wish.level <= t->wish.level || waiter->wish.level <= t->sandbox->level;
}

void wr_transition_paused(struct wr_transition *t)
{
    struct wr_list done;

    wr_list_init(&done);
    wr_list_foreach(it, &t->waiters) {
        struct wr_transition_waiter *waiter = wr_list_entry(it, struct wr_transition_waiter, link);
        if (waiter->wish.kind == WR_TO_PAUSE && paused_enough(t, waiter))
            move_waiter(waiter, &done);
    }
    rest(t);
    call_all(&done, NULL);
}

/* ---- turns ---- */

/* Lives as long as it would if it were resumed now. */
static void extend(struct wr_transition *t, const struct wr_transition_wish *wish)
{
    struct wr_error error = {0};

    if (wr_wall_ms() + wish->timeout_ms > t->sandbox->deadline_ms &&
        wr_lifecycle_set_deadline(t->server, t->sandbox, wish->timeout_ms, &wish->cause, &error) <
            0)
        wr_log(WR_LOG_WARN, "a deadline was not moved", "sandbox", t->sandbox->id, "error",
               error.msg, NULL);
}

static bool is_so(const struct wr_sandbox *sandbox, const struct wr_transition_wish *wish)
{
    if (wish->kind == WR_TO_RESUME)
        return sandbox->state == WR_SANDBOX_RUNNING;
    return wish->kind == WR_TO_PAUSE && sandbox->state == WR_SANDBOX_PAUSED &&
           sandbox->level >= wish->level;
}

/* What the engine does at once, in memory, waits for nobody. */
static bool takes_a_job(const struct wr_sandbox *sandbox, const struct wr_transition_wish *wish)
{
    if (wish->kind == WR_TO_PAUSE)
        return wish->level > WR_PAUSE_FROZEN;
    return wish->kind == WR_TO_ROLLBACK || sandbox->level > WR_PAUSE_PAGED || !wish->memory;
}

static void on_turn_among_all(struct wr_job_turn *among, const struct wr_error *error)
{
    struct wr_transition *t = wr_container_of(among, struct wr_transition, turn);
    const struct wr_transition_waiter *first =
        wr_list_entry(t->waiters.next, struct wr_transition_waiter, link);

    if (error)
        wr_transition_over(t, first->wish.kind, error);
    else
        turn(t);
}

/* Pauses wait as long as it takes: a sandbox whose time is over is not to be tried again and again.
 */
static void begin(struct wr_transition *t, const struct wr_transition_wish *wish)
{
    const struct wr_job_turn_wish among = {.id = t->sandbox->id,
                                           .team = t->sandbox->team_id,
                                           .wait_ms =
                                               wish->kind == WR_TO_PAUSE ? 0 : WR_JOB_TURN_WAIT_MS,
                                           .fn = on_turn_among_all};
    struct wr_error error = {0};
    int r = takes_a_job(t->sandbox, wish)
                ? wr_job_turn_take(&t->server->turns, &t->turn, &among, &error)
                : 1;

    if (r < 0)
        wr_transition_over(t, wish->kind, &error);
    else if (r > 0)
        wr_transition_begin(t, wish);
}

static void turn(struct wr_transition *t)
{
    struct wr_transition_waiter *first =
        wr_list_entry(t->waiters.next, struct wr_transition_waiter, link);

    if (is_so(t->sandbox, &first->wish)) {
        t->wish = first->wish;
        if (first->wish.kind == WR_TO_PAUSE) {
            wr_transition_paused(t);
            return;
        }
        extend(t, &first->wish);
        wr_transition_over(t, WR_TO_RESUME, NULL);
        return;
    }
    /* Until wr_pausing_save_end(). */
    if (!t->sandbox->saving)
        begin(t, &first->wish);
}

/* ---- refusals ---- */

static const char *what_goes_on(const struct wr_transition *t)
{
    static const char *const texts[] = {
        [WR_TO_PAUSE] = "is being paused; resume it first, which waits for the pause",
        [WR_TO_RESUME] = "is being resumed; try again in a moment",
        [WR_TO_ROLLBACK] = "is being rolled back; try again in a moment",
    };
    const struct wr_transition_waiter *first =
        wr_list_entry(t->waiters.next, struct wr_transition_waiter, link);

    return texts[t->busy ? t->wish.kind : first->wish.kind];
}

int wr_pausing_refuse(const struct wr_sandbox *sandbox, struct wr_error *err)
{
    const char *text = "is paused; resume it first";

    if (sandbox->state == WR_SANDBOX_KILLING)
        text = "is being killed";
    else if (sandbox->saving)
        text = "is being written to a snapshot; try again in a moment";
    else if (sandbox->transition)
        text = what_goes_on(sandbox->transition);
    return wr_fail(err, WR_E_ABORTED, 0, "sandbox %s %s", sandbox->id, text);
}

/* ---- entry ---- */

static struct wr_transition *transition_of(struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_transition *t = sandbox->transition ? sandbox->transition : wr_calloc(1, sizeof *t);

    if (!t || sandbox->transition)
        return t;
    t->server = server;
    t->sandbox = sandbox;
    wr_list_init(&t->waiters);
    sandbox->transition = t;
    return t;
}

/* A place among the waiters; its turn comes from the loop. */
static int enqueue(struct wr_server *server, struct wr_sandbox *sandbox,
                   const struct wr_transition_waiter *model, struct wr_error *err)
{
    if (sandbox->state == WR_SANDBOX_KILLING)
        return wr_pausing_refuse(sandbox, err);
    struct wr_transition_waiter *waiter = wr_calloc(1, sizeof *waiter);
    struct wr_transition *t = waiter ? transition_of(server, sandbox) : NULL;
    int r = t ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sandbox %s", sandbox->id);
    bool first = t && wr_list_empty(&t->waiters) && !t->busy;

    if (first)
        r = plan_turn(t, err);
    if (r < 0) {
        if (first)
            wr_transition_free(t);
        free(waiter);
        return r;
    }
    *waiter = *model;
    waiter->link = (struct wr_list){0};
    wr_list_append(&t->waiters, &waiter->link);
    return 0;
}

/* ---- public ---- */

int wr_pause(struct wr_server *server, struct wr_sandbox *sandbox, const struct wr_pause_wish *wish,
             wr_done_fn fn, void *data, struct wr_error *err)
{
    const struct wr_transition_waiter waiter = {.wish = {.kind = WR_TO_PAUSE,
                                                         .cause = wish->cause,
                                                         .memory = wish->memory,
                                                         .level = wish->level,
                                                         .healthy = wish->healthy,
                                                         .unasked = wish->unasked},
                                                .fn = fn,
                                                .data = data};

    if (sandbox->state != WR_SANDBOX_PAUSED &&
        wr_sandbox_table_paused(server->sandboxes) >= WR_SERVER_MAX_PAUSED)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "more than %d sandboxes are paused",
                       WR_SERVER_MAX_PAUSED);
    return enqueue(server, sandbox, &waiter, err);
}

int wr_resume(struct wr_server *server, struct wr_sandbox *sandbox,
              const struct wr_resume_wish *wish, wr_done_fn fn, void *data, struct wr_error *err)
{
    const struct wr_transition_waiter waiter = {.wish = {.kind = WR_TO_RESUME,
                                                         .cause = wish->cause,
                                                         .memory = wish->memory,
                                                         .timeout_ms = wish->timeout_ms},
                                                .fn = fn,
                                                .data = data};

    return enqueue(server, sandbox, &waiter, err);
}

int wr_rollback(struct wr_server *server, struct wr_sandbox *sandbox,
                const struct wr_rollback_wish *wish, wr_done_fn fn, void *data,
                struct wr_error *err)
{
    struct wr_transition_waiter waiter = {.wish = {.kind = WR_TO_ROLLBACK,
                                                   .cause = wish->cause,
                                                   .memory = true,
                                                   .timeout_ms = wish->timeout_ms},
                                          .fn = fn,
                                          .data = data};

    if (wr_pausing_busy(sandbox))
        return wr_pausing_refuse(sandbox, err);
    if (!wr_strcopy(waiter.wish.snapshot_id, sizeof waiter.wish.snapshot_id, wish->snapshot_id) ||
        !wr_strcopy(waiter.wish.agent_token, sizeof waiter.wish.agent_token, wish->agent_token))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "not a snapshot's id");
    int r = enqueue(server, sandbox, &waiter, err);
    explicit_bzero(&waiter, sizeof waiter);
    return r;
}

bool wr_pausing_busy(const struct wr_sandbox *sandbox)
{
    return sandbox->transition || sandbox->saving ||
           (sandbox->state != WR_SANDBOX_RUNNING && sandbox->state != WR_SANDBOX_PAUSED);
}

bool wr_pausing_is_unresponsive(const struct wr_sandbox *sandbox)
{
    return sandbox->unresponsive && sandbox->level == WR_PAUSE_HIBERNATED;
}

bool wr_pausing_keeps_memory(const struct wr_sandbox *sandbox)
{
    const struct wr_transition *t = sandbox->transition;

    if (t && t->busy && t->wish.kind == WR_TO_PAUSE)
        return t->wish.memory;
    return sandbox->state == WR_SANDBOX_RESUMING || sandbox->memory;
}

int wr_pausing_save_begin(struct wr_sandbox *sandbox, struct wr_error *err)
{
    if (wr_pausing_busy(sandbox))
        return wr_pausing_refuse(sandbox, err);
    if (sandbox->level == WR_PAUSE_HIBERNATED)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "sandbox %s is hibernated; resume it first", sandbox->id);
    sandbox->saving = true;
    return 0;
}

void wr_pausing_save_end(struct wr_server *server, const char *id)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);

    if (!sandbox)
        return;
    sandbox->saving = false;
    if (sandbox->transition && !sandbox->transition->busy)
        rest(sandbox->transition);
}

void wr_pausing_end(struct wr_sandbox *sandbox)
{
    struct wr_transition *t = sandbox->transition;
    struct wr_error error = {0};
    struct wr_list waiters;

    if (!t)
        return;
    (void)wr_fail(&error, WR_E_ABORTED, 0, "sandbox %s is being killed", sandbox->id);
    wr_list_init(&waiters);
    take_kind(t, WR_TO_PAUSE, &waiters);
    take_kind(t, WR_TO_RESUME, &waiters);
    take_kind(t, WR_TO_ROLLBACK, &waiters);
    sandbox->transition = NULL;
    t->sandbox = NULL;
    /* Else the engine's or the agent's answer frees it. */
    if (!t->busy || t->probing)
        wr_transition_free(t);
    call_all(&waiters, &error);
}

void wr_pausing_found(struct wr_server *server, struct wr_sandbox *sandbox,
                      const struct wr_record *seen)
{
    bool paused = seen->level != WR_PAUSE_NONE;
    struct wr_error error = {0};

    if (sandbox->transition || sandbox->state == WR_SANDBOX_KILLING)
        return;
    if (!paused && sandbox->state == WR_SANDBOX_PAUSED) {
        wr_log(WR_LOG_WARN, "a sandbox that was paused runs", "sandbox", sandbox->id, NULL);
        /* Whoever asked for that is gone, and the old deadline was not meant for now. */
        sandbox->deadline_ms =
            WR_MAX(sandbox->deadline_ms, wr_wall_ms() + WR_TIMEOUT_DEFAULT_S * 1000ull);
        wr_transition_run_on(server, sandbox);
        return;
    }
    wr_record_set_level(sandbox, seen);
    if (!paused || sandbox->state == WR_SANDBOX_PAUSED)
        return;
    wr_log(WR_LOG_WARN, "a sandbox that ran is paused", "sandbox", sandbox->id, NULL);
    wr_timer_stop(&sandbox->deadline);
    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_PAUSED);
    if (wr_store_sandbox_paused(server->store, sandbox->id, false, &error) < 0)
        wr_log(WR_LOG_WARN, "the row of a sandbox was not changed", "sandbox", sandbox->id, "error",
               error.msg, NULL);
    wr_record_cut(sandbox);
}
