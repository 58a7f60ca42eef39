#include "server/transition_resume.h"

#include "base/clock.h"
#include "json/jread.h"
#include "log/log.h"
#include "server/agent_news.h"
#include "server/auth/auth.h"
#include "server/egress/egress.h"
#include "server/egress/trust.h"
#include "server/events.h"
#include "server/pausing_engine.h"
#include "server/records.h"
#include "server/server.h"

/* ---- the end ---- */

/* Whoever joined with a longer wish gets it. */
static uint64_t longest_timeout(const struct wr_transition *t)
{
    uint64_t longest_ms = t->wish.timeout_ms;

    wr_list_foreach(it, &t->waiters) {
        const struct wr_transition_waiter *waiter =
            wr_list_entry(it, struct wr_transition_waiter, link);
        if (waiter->wish.kind == t->wish.kind)
            longest_ms = WR_MAX(longest_ms, waiter->wish.timeout_ms);
    }
    return longest_ms;
}

static void note_resumed(struct wr_transition *t)
{
    struct wr_pausing_counts *counts = &t->server->pausing;

    counts->resumes[t->from]++;
    counts->resume_us[t->from] += wr_mono_us() - t->began_us;
}

static void finish_resume(struct wr_transition *t)
{
    struct wr_server *server = t->server;
    struct wr_sandbox *sandbox = t->sandbox;
    uint64_t now_ms = wr_wall_ms(), timeout_ms = longest_timeout(t);
    struct wr_error error = {0};

    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_RUNNING);
    wr_record_set_level(sandbox, &(struct wr_record){.reason = ""});
    sandbox->unresponsive = false;
    sandbox->resume_at_start = false;
    sandbox->created_ms = now_ms;
    sandbox->deadline_ms = now_ms + timeout_ms;
    sandbox->sample_due_ms = sandbox->cpu_usec = sandbox->cpu_usec_at_us = 0;
    wr_lifecycle_arm(server, sandbox, timeout_ms);
    /* Its deadline is in the store already. */
    if (wr_store_sandbox_resumed(server->store, sandbox->id, now_ms, sandbox->deadline_ms, &error) <
        0)
        wr_transition_log_row(sandbox, &error);
    note_resumed(t);
    wr_event_with(
        server, sandbox->id, sandbox->team_id, "resumed", &t->wish.cause,
        &(struct wr_event_facts){.level = wr_pause_level_name(t->from), .memory = !t->booted});
    wr_transition_over(t, t->wish.kind, NULL);
}

/* ---- the agent is told ---- */

static void on_given_up(const struct wr_engine_reply *reply, const struct wr_error *error,
                        void *data)
{
    struct wr_transition *t = data;
    const struct wr_error why = t->failure;

    (void)reply;
    if (wr_transition_orphaned(t))
        return;
    if (error)
        wr_log(WR_LOG_ERROR, "a sandbox runs with tokens that are not its own", "sandbox",
               t->sandbox->id, "error", error->msg, NULL);
    wr_transition_look(t, &why);
}

/* Its agent has the tokens of another sandbox, or none: nobody may reach that. Nothing is lost, its
 * memory is the snapshot's; a resume boots it with its own. */
static void give_up(struct wr_transition *t, const struct wr_error *error)
{
    const struct wr_pausing_request request = {.action = WR_ACTION_PAUSE,
                                               .sandbox = t->sandbox,
                                               .level = WR_PAUSE_HIBERNATED,
                                               .memory = false};
    struct wr_error own = {0};

    (void)wr_fail(&t->failure, WR_E_UNAVAILABLE, 0,
                  "the agent of sandbox %s was not told who it is after the rollback, so it is "
                  "paused with its files only; roll it back again, or resume it: %.90s",
                  t->sandbox->id, error->msg);
    wr_record_cut(t->sandbox);
    if (wr_pausing_ask(t->server, &request, on_given_up, t, &own) < 0)
        on_given_up(NULL, &own, t);
}

/* A rollback to what another sandbox was. */
static bool is_another(const struct wr_transition *t)
{
    return *t->wish.agent_token && !wr_streq(t->wish.agent_token, t->sandbox->control_token);
}

/* It runs, with or without new randomness. */
static void on_told(const struct wr_error *error, void *data)
{
    struct wr_transition *t = data;

    if (wr_transition_orphaned(t))
        return;
    if (error && is_another(t) && !t->booted) {
        give_up(t, error);
        return;
    }
    if (error)
        wr_log(WR_LOG_WARN, "the agent of a resumed sandbox was not told", "sandbox",
               t->sandbox->id, "error", error->msg, NULL);
    finish_resume(t);
}

/* What ran before goes on: with new randomness, and if need be as who it is now. */
static int tell(struct wr_transition *t, struct wr_error *err)
{
    const struct wr_sandbox *sandbox = t->sandbox;
    const struct wr_agent_news resumed = {.event = "resumed",
                                          .control_token = sandbox->control_token};
    wr_auto_json *env = NULL;

    if (!is_another(t))
        return wr_agent_tell(t->server, t->sandbox, &resumed, on_told, t, err);
    int r = wr_pausing_env(t->server, sandbox->id, &env, err);
    if (r < 0)
        return r;
    const struct wr_agent_news forked = {.event = "forked",
                                         .control_token = t->wish.agent_token,
                                         .sandbox_id = sandbox->id,
                                         .access_token = sandbox->envd_token,
                                         .new_control_token = sandbox->control_token,
                                         .env_vars = env};
    return wr_agent_tell(t->server, t->sandbox, &forked, on_told, t, err);
}

static void go_on(struct wr_transition *t)
{
    struct wr_error error = {0};
    int r = 0;

    wr_egress_start(t->server, t->sandbox);
    if (!t->booted && (t->from == WR_PAUSE_HIBERNATED || t->wish.kind == WR_TO_ROLLBACK))
        r = tell(t, &error);
    else if (t->booted && wr_egress_transforms(t->sandbox))
        r = wr_trust_install(t->server, t->sandbox, on_told, t, &error);
    else {
        finish_resume(t);
        return;
    }
    if (r < 0)
        on_told(&error, t);
}

/* ---- the engine ---- */

static void on_resumed(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct wr_transition *t = data;
    struct wr_error own = {0};
    struct wr_record seen;

    if (wr_transition_orphaned(t))
        return;
    if (error || wr_record_read(reply->json, &seen, &own) < 0) {
        wr_transition_look(t, error ? error : &own);
        return;
    }
    wr_record_keep_fds(t->sandbox, &seen, reply->fds, reply->fd_count);
    t->booted = seen.booted;
    go_on(t);
}

void wr_transition_ask_resume(struct wr_transition *t)
{
    const struct wr_pausing_request request = {
        .action = t->wish.kind == WR_TO_ROLLBACK ? WR_ACTION_ROLLBACK : WR_ACTION_RESUME,
        .sandbox = t->sandbox,
        .memory = t->wish.memory,
        .snapshot_id = t->wish.snapshot_id};
    struct wr_error error = {0};

    if (wr_pausing_ask(t->server, &request, on_resumed, t, &error) < 0)
        wr_transition_look(t, &error);
}

/* Also what keeps it from going on. */
static int check_resume(const struct wr_transition *t, struct wr_error *err)
{
    struct wr_sandbox_table *table = t->server->sandboxes;
    int r = 0;

    if (t->server->draining || t->server->stopping)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    if (t->sandbox->counts_as_paused &&
        wr_sandbox_table_count(table) - wr_sandbox_table_paused(table) >= WR_SERVER_MAX_SANDBOXES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "you have reached the maximum number of concurrent E2B sandboxes (%d)",
                       WR_SERVER_MAX_SANDBOXES);
    if (t->sandbox->counts_as_paused)
        r = wr_auth_check_team(t->server, t->sandbox->team_id, err);
    if (r < 0)
        return r;
    if (t->wish.kind == WR_TO_RESUME && t->wish.memory && wr_pausing_is_unresponsive(t->sandbox))
        return wr_fail(err, WR_E_ABORTED, 0,
                       "the agent of sandbox %s did not answer when it was paused; "
                       "resume it without memory",
                       t->sandbox->id);
    return 0;
}

void wr_transition_resume(struct wr_transition *t)
{
    struct wr_server *server = t->server;
    struct wr_sandbox *sandbox = t->sandbox;
    uint64_t deadline_ms = wr_wall_ms() + longest_timeout(t);
    struct wr_error error = {0};

    int r = check_resume(t, &error);
    /* First: a server that ends right after the engine's answer must not find a deadline of the
     * past. */
    if (r == 0)
        r = wr_store_sandbox_set_deadline(server->store, sandbox->id, deadline_ms, &error);
    if (r < 0) {
        wr_transition_over(t, t->wish.kind, &error);
        return;
    }
    sandbox->deadline_ms = deadline_ms;
    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_RESUMING);
    wr_timer_stop(&sandbox->deadline);
    /* A rollback may be of one that runs. */
    wr_record_cut(sandbox);
    wr_transition_ask_resume(t);
}
