#include "engine/operation.h"

#include "engine/spec_secrets.h"
#include "engine/states.h"

void wr_operation_begin(struct wr_engine_sandbox *s, const struct wr_action_request *r,
                        enum wr_sandbox_state state)
{
    s->op = (struct wr_engine_op){.action = r->kind, .sequence = r->sequence, .before = s->state};
    wr_engine_enter(s, state);
}

static void end(struct wr_engine_sandbox *s)
{
    s->op = (struct wr_engine_op){.sequence = 0};
    wr_spec_secrets_forget(&s->spec);
}

void wr_operation_answer(struct wr_engine_sandbox *s, const char *json, const int *fds,
                         size_t fd_count)
{
    if (s->op.sequence)
        wr_engine_reply(s->engine, s->op.action, s->op.sequence, json, fds, fd_count);
    end(s);
}

void wr_operation_fail(struct wr_engine_sandbox *s, const struct wr_error *error)
{
    if (s->op.sequence)
        wr_engine_reply_error(s->engine, s->op.action, s->op.sequence, error);
    end(s);
}

void wr_operation_abort(struct wr_engine_sandbox *s)
{
    struct wr_error error;

    if (s->kill_count > 0)
        (void)wr_fail(&error, WR_E_ABORTED, 0, "sandbox %s was killed meanwhile", s->spec.id);
    else
        (void)wr_fail(&error, WR_E_ABORTED, 0, "the engine is shutting down");
    wr_operation_fail(s, &error);
}

bool wr_operation_uses(const struct wr_engine *engine, const char *snapshot_id)
{
    for (size_t i = 0; i < engine->sandbox_count; i++)
        if (wr_streq(engine->sandboxes[i]->op.snapshot, snapshot_id))
            return true;
    return false;
}
