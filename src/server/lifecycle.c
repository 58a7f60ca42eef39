#include "server/lifecycle.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "json/jread.h"
#include "log/log.h"
#include "server/egress/egress.h"
#include "server/events.h"
#include "server/pause_decision.h"
#include "server/records.h"
#include "server/server.h"
#include "server/settings.h"

#define KILL_RETRY_MS 1000

/* Recorded changes of one sandbox; above it they still happen. Whoever reads its log looks through
 * all of them. */
#define UPDATES_MAX 512

struct done_op {
    struct wr_server *server;
    wr_done_fn fn;
    void *data;
    struct wr_cause cause;
    char id[WR_ID_LEN + 1];
};

/* `deadline_ms` 0: it stays. */
static void record_update(struct wr_server *server, struct wr_sandbox *sandbox,
                          const struct wr_cause *cause, uint64_t deadline_ms)
{
    if (sandbox->updates >= UPDATES_MAX)
        return;
    sandbox->updates++;
    wr_event_with(server, sandbox->id, sandbox->team_id, "updated", cause,
                  &(struct wr_event_facts){.set_timeout_ms = deadline_ms});
}

/* ---- deadline ---- */

static void on_deadline(struct wr_timer *timer, void *data);

/* The timer finds its sandbox by its own address; `data` is the server. */
void wr_lifecycle_arm(struct wr_server *server, struct wr_sandbox *sandbox, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (wr_timer_start(server->loop, &sandbox->deadline, delay_ms, on_deadline, server, &error) < 0)
        wr_log(WR_LOG_ERROR, "no timer for the deadline of a sandbox", "sandbox", sandbox->id,
               "error", error.msg, NULL);
}

/* The pause itself says what went wrong, and arms the timer again. */
static void on_expired(const struct wr_error *error, void *data)
{
    (void)error;
    (void)data;
}

int wr_lifecycle_expire(struct wr_server *server, struct wr_sandbox *sandbox,
                        const struct wr_cause *cause, wr_done_fn fn, void *data,
                        struct wr_error *err)
{
    struct wr_pause_wish wish = {.level = wr_pause_default_level(server->config),
                                 .memory = wr_settings_pause_memory(sandbox->settings),
                                 .cause = *cause};

    if (sandbox->state == WR_SANDBOX_KILLING || !wr_settings_pauses(sandbox->settings))
        return wr_lifecycle_kill(server, sandbox, cause, fn, data, err);
    if (!wish.memory)
        wish.level = WR_PAUSE_HIBERNATED;
    return wr_pause(server, sandbox, &wish, fn ? fn : on_expired, data, err);
}

static void on_deadline(struct wr_timer *timer, void *data)
{
    struct wr_server *server = data;
    struct wr_sandbox *sandbox = wr_container_of(timer, struct wr_sandbox, deadline);
    struct wr_cause cause = {.reason = "timeout"};
    struct wr_error error = {0};

    if (wr_lifecycle_expire(server, sandbox, &cause, NULL, NULL, &error) == 0)
        return;
    wr_log(WR_LOG_WARN, "the end of a sandbox's time failed, trying again", "sandbox", sandbox->id,
           "error", error.msg, NULL);
    wr_lifecycle_arm(server, sandbox, WR_DEADLINE_RETRY_MS);
}

int wr_lifecycle_set_deadline(struct wr_server *server, struct wr_sandbox *sandbox,
                              uint64_t delay_ms, const struct wr_cause *cause, struct wr_error *err)
{
    uint64_t deadline_ms = wr_wall_ms() + delay_ms;

    int r = wr_store_sandbox_set_deadline(server->store, sandbox->id, deadline_ms, err);
    if (r < 0)
        return r;
    sandbox->deadline_ms = deadline_ms;
    wr_lifecycle_arm(server, sandbox, delay_ms);
    record_update(server, sandbox, cause, deadline_ms);
    return 0;
}

int wr_lifecycle_set_settings(struct wr_server *server, struct wr_sandbox *sandbox,
                              json_t *settings, const struct wr_cause *cause, struct wr_error *err)
{
    wr_auto_free char *text = NULL;
    wr_auto_json *before = sandbox->settings;
    struct wr_error ignored = {0};

    sandbox->settings = json_incref(settings);
    int r = wr_settings_write(settings, &text, err);
    if (r == 0)
        r = wr_egress_update(server, sandbox, err);
    if (r == 0)
        r = wr_store_sandbox_set_settings(server->store, sandbox->id, text, err);
    if (r == 0) {
        record_update(server, sandbox, cause, 0);
        return 0;
    }
    /* As it was; connections that were cut stay so. */
    json_decref(sandbox->settings);
    sandbox->settings = wr_steal_ptr(&before);
    (void)!wr_egress_update(server, sandbox, &ignored);
    return r;
}

/* ---- sandboxes without a record ---- */

/* Nobody will ever know this id: removed without a record. */
static void on_orphan_killed(const struct wr_engine_reply *reply, const struct wr_error *error,
                             void *data)
{
    (void)reply;
    (void)data;
    if (error && error->code != WR_E_NOT_FOUND)
        wr_log(WR_LOG_WARN, "a sandbox without a record was not killed", "error", error->msg, NULL);
}

void wr_lifecycle_kill_orphan(struct wr_server *server, const char *id)
{
    struct wr_error error = {0};

    if (wr_record_kill(server, id, on_orphan_killed, NULL, &error) < 0)
        wr_log(WR_LOG_WARN, "a sandbox without a record was not killed", "sandbox", id, "error",
               error.msg, NULL);
}

/* ---- the end ---- */

static void remove_row(struct wr_server *server, const char *id)
{
    struct wr_error error = {0};

    /* A row that stays is found, and removed, by the next start. */
    if (wr_store_sandbox_remove(server->store, id, &error) < 0)
        wr_log(WR_LOG_WARN, "the row of a sandbox was not removed", "sandbox", id, "error",
               error.msg, NULL);
}

void wr_lifecycle_ended(struct wr_server *server, struct wr_sandbox *sandbox,
                        const struct wr_cause *cause)
{
    struct wr_cause first = *cause;

    /* It may end by itself while it is being killed. */
    if (sandbox->ending)
        first.reason = sandbox->ending;
    remove_row(server, sandbox->id);
    wr_event(server, sandbox->id, sandbox->team_id, "killed", &first);
    wr_record_remove(server, sandbox);
}

static void on_killed(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct done_op *op = data;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(op->server->sandboxes, op->id);

    (void)reply;
    if (error && error->code == WR_E_NOT_FOUND)
        error = NULL;
    if (!error && sandbox)
        wr_lifecycle_ended(op->server, sandbox, &op->cause);
    if (error && sandbox) {
        wr_log(WR_LOG_WARN, "kill failed, trying again", "sandbox", op->id, "error", error->msg,
               NULL);
        wr_lifecycle_arm(op->server, sandbox, KILL_RETRY_MS);
    }
    if (op->fn)
        op->fn(error, op->data);
    free(op);
}

int wr_lifecycle_kill(struct wr_server *server, struct wr_sandbox *sandbox,
                      const struct wr_cause *cause, wr_done_fn fn, void *data, struct wr_error *err)
{
    struct done_op *op = wr_calloc(1, sizeof *op);

    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_KILLING);
    wr_pausing_end(sandbox);
    wr_job_turns_drop(&server->turns, sandbox->id);
    /* Later attempts are for the first reason. */
    if (!sandbox->ending)
        sandbox->ending = cause->reason;
    wr_timer_stop(&sandbox->deadline);
    wr_record_cut(sandbox);
    int r = op ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "kill of %s", sandbox->id);
    if (r == 0) {
        op->server = server;
        op->fn = fn;
        op->data = data;
        op->cause = (struct wr_cause){sandbox->ending, cause->request};
        memcpy(op->id, sandbox->id, sizeof op->id);
        r = wr_record_kill(server, sandbox->id, on_killed, op, err);
    }
    if (r < 0) {
        free(op);
        wr_lifecycle_arm(server, sandbox, KILL_RETRY_MS);
    }
    return r;
}

void wr_lifecycle_gone(struct wr_server *server, const char *id, const char *reason)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, id);
    static const char *const reasons[] = {"exited", "killed", "oom"};
    struct wr_cause cause = {.reason = "error"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(reasons); i++)
        if (wr_streq(reasons[i], reason))
            cause.reason = reasons[i];
    if (sandbox)
        wr_lifecycle_ended(server, sandbox, &cause);
}

void wr_lifecycle_forget_all(struct wr_server *server)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes))
        wr_record_remove(server, wr_list_entry(it, struct wr_sandbox, link));
}
