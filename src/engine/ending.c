#include "engine/ending.h"

#include "engine/operation.h"
#include "engine/pausing.h"
#include "engine/states.h"
#include "log/log.h"

void wr_ending_check_shutdown(struct wr_engine *engine)
{
    if (engine->shutdown_sequence && engine->live_count == 0)
        wr_loop_stop(engine->loop, 0);
}

void wr_ending_forget(struct wr_engine_sandbox *s)
{
    struct wr_engine *engine = s->engine;

    for (size_t i = 0; i < s->kill_count; i++)
        wr_engine_reply(engine, WR_ACTION_KILL, s->kill_sequences[i], "{}", NULL, 0);
    wr_engine_drop(s);
    wr_ending_check_shutdown(engine);
}

void wr_ending_begin(struct wr_engine_sandbox *s)
{
    wr_engine_enter(s, WR_SANDBOX_STOPPING);
    s->engine->ops->kill(s->instance);
}

/* The end of a hibernated one. When that fails it is hibernated still. */
static void remove_saved(struct wr_engine_sandbox *s)
{
    struct wr_engine *engine = s->engine;
    struct wr_error err = {0};
    int rc = engine->ops->saved_remove(engine->driver, s->spec.id, &err);

    if (rc == 0 || rc == -WR_E_NOT_FOUND) {
        wr_ending_forget(s);
        return;
    }
    for (size_t i = 0; i < s->kill_count; i++)
        wr_engine_reply_error(engine, WR_ACTION_KILL, s->kill_sequences[i], &err);
    s->kill_count = 0;
    wr_ending_check_shutdown(engine);
}

void wr_ending_settle(struct wr_engine_sandbox *s)
{
    struct wr_engine *engine = s->engine;

    if (s->state == WR_SANDBOX_HIBERNATED && s->kill_count > 0)
        remove_saved(s);
    else if (s->state == WR_SANDBOX_HIBERNATED)
        wr_ending_check_shutdown(engine); /* it may have been the last that was alive */
    else if (s->kill_count > 0 || engine->shutdown_sequence)
        wr_ending_begin(s);
}

int wr_action_kill(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    int rc = wr_action_find(r, NULL, 0, &s, err);

    if (rc < 0)
        return rc;
    if (s->kill_count == WR_ENGINE_MAX_KILLS)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d requests wait already for the end of sandbox %s", WR_ENGINE_MAX_KILLS,
                       s->spec.id);
    s->kill_sequences[s->kill_count++] = r->sequence;
    if (!wr_state_busy(s->state))
        wr_ending_settle(s);
    return WR_ACTION_WAITS;
}

int wr_action_shutdown(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine *engine = r->engine;
    int rc = wr_json_read(r->payload, NULL, 0, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc == 0 && engine->shutdown_sequence)
        rc = wr_fail(err, WR_E_UNAVAILABLE, 0, "the engine is shutting down already");
    if (rc < 0)
        return rc;
    engine->shutdown_sequence = r->sequence;
    for (size_t i = engine->sandbox_count; i-- > 0;) /* from behind: one may be dropped */
        if (!wr_state_busy(engine->sandboxes[i]->state))
            wr_ending_settle(engine->sandboxes[i]);
    wr_ending_check_shutdown(engine);
    return WR_ACTION_WAITS;
}

void wr_ending_gone(void *owner, enum wr_gone_reason reason)
{
    static const char *const names[] = {
        [WR_GONE_EXITED] = "exited", [WR_GONE_KILLED] = "killed", [WR_GONE_OOM] = "oom"};
    struct wr_engine_sandbox *s = owner;
    struct wr_error error;

    s->instance = NULL;
    if (s->state == WR_SANDBOX_ROLLING_BACK) {
        wr_pausing_roll_back(s);
        return;
    }
    (void)wr_fail(&error, WR_E_ABORTED, 0, "sandbox %s ended meanwhile (%s)", s->spec.id,
                  names[reason]);
    wr_operation_fail(s, &error);
    if (s->kill_count == 0)
        wr_engine_event_gone(s->engine, s->spec.id, names[reason]);
    wr_ending_forget(s);
}
