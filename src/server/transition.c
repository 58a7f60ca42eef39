#include "server/transition.h"

#include "base/clock.h"
#include "log/log.h"
#include "server/egress/egress.h"
#include "server/pausing_engine.h"
#include "server/records.h"
#include "server/server.h"
#include "server/transition_pause.h"
#include "server/transition_resume.h"

void wr_transition_log_row(const struct wr_sandbox *sandbox, const struct wr_error *error)
{
    wr_log(WR_LOG_WARN, "the row of a sandbox was not changed", "sandbox", sandbox->id, "error",
           error->msg, NULL);
}

/* Gone meanwhile: whoever waited has been told. */
bool wr_transition_orphaned(struct wr_transition *t)
{
    if (t->sandbox)
        return false;
    wr_transition_free(t);
    return true;
}

/* As it was before something that failed. */
void wr_transition_run_on(struct wr_server *server, struct wr_sandbox *sandbox)
{
    uint64_t now_ms = wr_wall_ms();
    struct wr_error error = {0};

    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_RUNNING);
    wr_record_set_level(sandbox, &(struct wr_record){.reason = ""});
    if (wr_store_sandbox_resumed(server->store, sandbox->id, sandbox->created_ms,
                                 sandbox->deadline_ms, &error) < 0)
        wr_transition_log_row(sandbox, &error);
    wr_egress_start(server, sandbox);
    wr_lifecycle_arm(server, sandbox,
                     sandbox->deadline_ms > now_ms ? sandbox->deadline_ms - now_ms
                                                   : WR_DEADLINE_RETRY_MS);
}

/* ---- failures: the engine is asked what is true ---- */

static void note_failure(struct wr_transition *t)
{
    static struct wr_log_limit limit;
    uint64_t *count = t->wish.kind == WR_TO_PAUSE ? &t->server->pausing.pauses_failed
                                                  : &t->server->pausing.resumes_failed;

    ++*count;
    /* A full disk keeps many from being paused at their deadlines, again and again. */
    wr_log_limited(&limit, WR_LOG_WARN,
                   t->wish.kind == WR_TO_PAUSE ? "a pause failed" : "a resume failed", "sandbox",
                   t->sandbox->id, "error", t->failure.msg, NULL);
}

static void settle(struct wr_transition *t, enum wr_pause_level level)
{
    note_failure(t);
    if (level == WR_PAUSE_NONE)
        wr_transition_run_on(t->server, t->sandbox);
    else
        wr_sandbox_set_state(t->server->sandboxes, t->sandbox, WR_SANDBOX_PAUSED);
    wr_transition_over(t, t->wish.kind, &t->failure);
}

static void on_seen(const struct wr_record *seen, const struct wr_error *error, void *data)
{
    struct wr_transition *t = data;
    const struct wr_cause cause = {.reason = "lost"};

    if (wr_transition_orphaned(t))
        return;
    if (error) {
        /* The engine that comes next is asked by the resync. */
        settle(t, t->from);
    } else if (!seen) {
        wr_lifecycle_ended(t->server, t->sandbox, &cause);
        wr_transition_free(t);
    } else if (t->wish.kind == WR_TO_PAUSE && seen->level >= t->wish.level) {
        wr_transition_pause_reached(t, seen);
    } else if (t->wish.kind == WR_TO_RESUME && seen->level == WR_PAUSE_NONE && !t->retried) {
        /* It runs, and nobody has its sockets. */
        t->retried = true;
        wr_transition_ask_resume(t);
    } else {
        wr_record_set_level(t->sandbox, seen);
        settle(t, seen->level);
    }
}

void wr_transition_look(struct wr_transition *t, const struct wr_error *why)
{
    struct wr_error error = {0};

    t->failure = *why;
    if (wr_pausing_look(t->server, t->sandbox->id, on_seen, t, &error) < 0)
        settle(t, t->from);
}

/* Without having asked the engine for anything. */
void wr_transition_refuse(struct wr_transition *t, const struct wr_error *why)
{
    t->failure = *why;
    settle(t, t->from);
}

/* ---- the beginning ---- */

void wr_transition_begin(struct wr_transition *t, const struct wr_transition_wish *wish)
{
    t->busy = true;
    t->wish = *wish;
    t->from = t->sandbox->level;
    t->began_us = wr_mono_us();
    t->retried = t->booted = false;
    t->failure = (struct wr_error){0};
    if (wish->kind == WR_TO_PAUSE)
        wr_transition_pause(t);
    else
        wr_transition_resume(t);
}
