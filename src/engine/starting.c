#include "engine/starting.h"

#include <errno.h>

#include "engine/ending.h"
#include "engine/handover.h"
#include "engine/operation.h"
#include "engine/pausing.h"
#include "engine/spec_secrets.h"

static int begin(struct wr_engine_sandbox *s, enum wr_origin origin, struct wr_error *err)
{
    s->spec.level = WR_LEVEL_RUNNING;
    s->spec.paused_ms = 0;
    int rc = s->engine->ops->start(s->engine->driver, origin, &s->spec, s, &s->instance, &s->booted,
                                   err);
    /* The agent has them now; they may be secrets. */
    wr_spec_secrets_forget(&s->spec);
    s->spec.snapshot[0] = '\0'; /* s->op has it as long as it matters */
    return rc;
}

/* Ids of sandboxes and of snapshots must differ: what was saved of both is in one place. */
static int check_ids(const struct wr_engine *engine, const struct wr_spec *spec,
                     struct wr_error *err)
{
    if (spec->id[0] && wr_engine_find(engine, spec->id))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a sandbox %s already", spec->id);
    if (spec->id[0] && wr_operation_uses(engine, spec->id))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a snapshot %s already", spec->id);
    if (spec->snapshot[0] && wr_engine_find(engine, spec->snapshot))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "%s is a sandbox, not a snapshot", spec->snapshot);
    return 0;
}

int wr_action_create(const struct wr_action_request *r, struct wr_error *err)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    struct wr_engine *engine = r->engine;
    int rc = wr_spec_read(r->payload, &spec, err);

    if (rc == 0)
        rc = wr_action_check_open(engine, err);
    if (rc == 0)
        rc = check_ids(engine, &spec, err);
    if (rc < 0)
        return rc;
    struct wr_engine_sandbox *s = wr_engine_sandbox_new(engine, &spec);
    if (!s)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "create a sandbox");
    wr_operation_begin(s, r, WR_SANDBOX_STARTING);
    memcpy(s->op.snapshot, s->spec.snapshot, sizeof(s->op.snapshot));
    rc = begin(s, s->spec.snapshot[0] ? WR_FROM_SNAPSHOT : WR_FROM_TEMPLATE, err);
    if (rc < 0) {
        wr_engine_drop(s);
        return rc;
    }
    wr_engine_insert(s);
    return WR_ACTION_WAITS;
}

int wr_starting_saved(struct wr_engine_sandbox *s, bool memory, struct wr_error *err)
{
    int rc = begin(s, memory ? WR_FROM_SAVED : WR_FROM_SAVED_FILES, err);

    if (rc < 0)
        return rc;
    s->op.before = WR_SANDBOX_HIBERNATED;
    wr_engine_enter(s, WR_SANDBOX_RESUMING);
    return 0;
}

/* Nothing is left of what was to be created; what was saved is as before. */
static void failed(struct wr_engine_sandbox *s, const struct wr_error *error)
{
    const enum wr_action action = s->op.action;

    s->instance = NULL;
    if (action == WR_ACTION_CREATE) {
        wr_operation_fail(s, error);
        wr_ending_forget(s);
        return;
    }
    wr_engine_enter(s, WR_SANDBOX_HIBERNATED);
    if (action == WR_ACTION_ROLLBACK)
        wr_pausing_rollback_failed(s, error);
    else
        wr_operation_fail(s, error);
    wr_ending_settle(s);
}

/* It runs, but nobody wants that any more, or nobody can reach it. */
static void withdraw(struct wr_engine_sandbox *s, enum wr_action action)
{
    if (action == WR_ACTION_CREATE || s->kill_count > 0)
        wr_ending_begin(s);
    else
        wr_pausing_again(s);
}

void wr_starting_done(void *owner, const struct wr_error *error)
{
    struct wr_engine_sandbox *s = owner;
    const enum wr_action action = s->op.action;
    struct wr_handover handover = {.fd_count = 0};
    struct wr_error err = {0};

    if (error) {
        failed(s, error);
        return;
    }
    wr_engine_enter(s, WR_SANDBOX_RUNNING);
    s->pause = (struct wr_engine_pause){.paused_ms = 0};
    if (s->kill_count > 0 || s->engine->shutdown_sequence) {
        wr_operation_abort(s);
        withdraw(s, action);
    } else if (wr_handover_prepare(s, &handover, &err) < 0) {
        wr_operation_fail(s, &err);
        withdraw(s, action);
    } else {
        wr_operation_answer(s, wr_handover_json(&handover), handover.fds, handover.fd_count);
        wr_handover_done(&handover);
    }
}
