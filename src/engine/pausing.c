#include "engine/pausing.h"

#include <errno.h>

#include "base/clock.h"
#include "engine/ending.h"
#include "engine/handover.h"
#include "engine/operation.h"
#include "engine/spec_resume.h"
#include "engine/starting.h"
#include "engine/states.h"
#include "json/jwrite.h"
#include "log/log.h"

#define MAX_TEXT 2048

/* What a record of it has to say; the driver writes it. */
static void enter(struct wr_engine_sandbox *s, enum wr_sandbox_state state)
{
    wr_engine_enter(s, state);
    s->spec.level = wr_state_level(s);
    s->spec.paused_ms = s->pause.paused_ms;
}

static int check_no_blank(const struct wr_engine_sandbox *s, struct wr_error *err)
{
    return s->spec.blank ? wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                                   "sandbox %s is a blank, of which nothing is saved", s->spec.id)
                         : 0;
}

static int freeze(struct wr_engine_sandbox *s, struct wr_error *err)
{
    int rc = s->engine->ops->freeze(s->instance, true, err);

    if (rc < 0)
        return rc;
    s->pause = (struct wr_engine_pause){.paused_ms = wr_wall_ms(), .memory = true};
    enter(s, WR_SANDBOX_FROZEN);
    return 0;
}

static int thaw(struct wr_engine_sandbox *s, struct wr_error *err)
{
    int rc = s->engine->ops->freeze(s->instance, false, err);

    if (rc < 0)
        return rc;
    s->pause = (struct wr_engine_pause){.paused_ms = 0};
    enter(s, WR_SANDBOX_RUNNING);
    return 0;
}

/* Why it is not as deep as was asked for; for one line. */
static void keep_reason(struct wr_engine_sandbox *s, const struct wr_error *why)
{
    const size_t len = wr_utf8_prefix(why->msg, WR_SPEC_MAX_REASON);
    struct wr_error err = {0};

    memcpy(s->pause.reason, why->msg, len);
    s->pause.reason[len] = '\0';
    wr_utf8_make_line(s->pause.reason);
    /* Else the next engine does not know, and tries in vain once more. */
    if (s->engine->ops->note_reason(s->instance, s->pause.reason, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", s->spec.id, NULL);
}

/* An operation that came to nothing. One that cannot be thawed stays paused: nothing of it is lost.
 */
static void go_back(struct wr_engine_sandbox *s, enum wr_sandbox_state before)
{
    struct wr_error err;

    if (before != WR_SANDBOX_RUNNING) {
        enter(s, before);
    } else if (thaw(s, &err) < 0) {
        wr_log(WR_LOG_WARN, err.msg, "sandbox", s->spec.id, NULL);
        enter(s, WR_SANDBOX_FROZEN);
    }
}

static int write_pause(const struct wr_engine_sandbox *s, struct wr_buf *text, struct wr_error *err)
{
    struct wr_jw w;

    wr_jw_init(&w, text);
    wr_jw_object(&w);
    wr_state_write(s, &w);
    wr_jw_end(&w);
    int rc = wr_jw_finish(&w);
    if (rc < 0 || !wr_buf_cstr(text))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, rc ? -rc : ENOMEM, "write the reply");
    return 0;
}

/* The PAUSE that is under way has reached what it can. */
static void answer_pause(struct wr_engine_sandbox *s)
{
    wr_auto_buf text = WR_BUF(MAX_TEXT);
    struct wr_error err = {0};

    if (write_pause(s, &text, &err) < 0)
        wr_operation_fail(s, &err);
    else
        wr_operation_answer(s, (const char *)wr_buf_ptr(&text), NULL, 0);
}

/* 0 when it is at that level, or cannot be and says why; WR_ACTION_WAITS. */
static int page_out(struct wr_engine_sandbox *s, bool memory, struct wr_error *err)
{
    int rc = s->engine->ops->page_out(s->instance, err);

    (void)memory;
    if (rc == 0) {
        s->pause.reason[0] = '\0';
        enter(s, WR_SANDBOX_PAGED);
    }
    if (rc != -WR_E_FAILED_PRECONDITION)
        return rc;
    keep_reason(s, err);
    return 0;
}

static int hibernate(struct wr_engine_sandbox *s, bool memory, struct wr_error *err)
{
    int rc = s->engine->ops->hibernate(s->instance, memory, err);

    if (rc == 0)
        return WR_ACTION_WAITS;
    if (rc != -WR_E_FAILED_PRECONDITION)
        return rc;
    keep_reason(s, err);
    return 0;
}

static int deepen(struct wr_engine_sandbox *s, enum wr_level level, bool memory,
                  struct wr_error *err)
{
    static int (*const steps[])(struct wr_engine_sandbox * s, bool memory, struct wr_error *err) = {
        [WR_LEVEL_PAGED] = page_out,
        [WR_LEVEL_HIBERNATED] = hibernate,
    };
    int rc = s->state == WR_SANDBOX_RUNNING ? freeze(s, err) : 0;

    return rc == 0 && level > wr_state_level(s) ? steps[level](s, memory, err) : rc;
}

static int read_pause(const struct wr_action_request *r, struct wr_engine_sandbox **ret,
                      enum wr_level *ret_level, bool *ret_memory, struct wr_error *err)
{
    const char *name = NULL;
    bool memory = true;
    enum wr_level level = WR_LEVEL_RUNNING;
    const struct wr_json_field fields[] = {
        {.name = "level", .kind = WR_JSON_STRING, .required = true, .ret = &name},
        {.name = "memory", .kind = WR_JSON_BOOL, .ret = &memory},
    };
    int rc = wr_action_find(r, fields, WR_ARRAY_SIZE(fields), ret, err);

    if (rc == 0)
        rc = wr_level_read(name, &level, err);
    if (rc == 0 && level == WR_LEVEL_RUNNING)
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"running\" is no level to pause to");
    if (rc == 0 && !memory && level != WR_LEVEL_HIBERNATED)
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                     "without its memory a sandbox can only be hibernated");
    if (rc < 0)
        return rc;
    *ret_level = level;
    *ret_memory = memory;
    return 0;
}

int wr_action_pause(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_engine_sandbox *s = NULL;
    enum wr_level level = WR_LEVEL_RUNNING;
    bool memory = true;
    int rc = read_pause(r, &s, &level, &memory, err);

    if (rc == 0)
        rc = wr_action_check_open(r->engine, err);
    if (rc == 0)
        rc = check_no_blank(s, err);
    if (rc < 0)
        return rc;
    const enum wr_sandbox_state before = s->state;
    rc = deepen(s, level, memory, err);
    if (rc < 0) {
        if (s->state != before)
            go_back(s, before);
        return rc;
    }
    wr_operation_begin(s, r, rc == WR_ACTION_WAITS ? WR_SANDBOX_HIBERNATING : s->state);
    s->op.before = before;
    if (rc == 0)
        answer_pause(s);
    return WR_ACTION_WAITS;
}

void wr_pausing_again(struct wr_engine_sandbox *s)
{
    struct wr_error err = {0};
    int rc = deepen(s, WR_LEVEL_HIBERNATED, true, &err);

    if (rc == WR_ACTION_WAITS) {
        s->op = (struct wr_engine_op){.action = WR_ACTION_PAUSE, .before = WR_SANDBOX_FROZEN};
        enter(s, WR_SANDBOX_HIBERNATING);
        return;
    }
    if (rc < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", s->spec.id, NULL);
    wr_ending_settle(s);
}

/* A RESUME of a frozen sandbox that gives up its memory. */
static void boot(struct wr_engine_sandbox *s)
{
    struct wr_error err = {0};

    if (s->engine->shutdown_sequence)
        wr_operation_abort(s);
    else if (wr_starting_saved(s, false, &err) < 0)
        wr_operation_fail(s, &err);
}

static void hibernated(struct wr_engine_sandbox *s, const struct wr_saved *saved)
{
    s->instance = NULL;
    s->pause.memory = saved->memory;
    s->pause.bytes = saved->bytes;
    s->pause.reason[0] = '\0';
    enter(s, WR_SANDBOX_HIBERNATED);
    if (s->kill_count > 0)
        wr_operation_abort(s);
    else if (s->op.action == WR_ACTION_RESUME)
        boot(s);
    else
        answer_pause(s);
}

static void not_hibernated(struct wr_engine_sandbox *s, const struct wr_error *error)
{
    const enum wr_sandbox_state before = s->op.before;

    if (s->kill_count > 0) {
        go_back(s, WR_SANDBOX_FROZEN);
        wr_operation_abort(s);
    } else if (s->op.action == WR_ACTION_PAUSE && error->code == WR_E_FAILED_PRECONDITION) {
        enter(s, before == WR_SANDBOX_RUNNING ? WR_SANDBOX_FROZEN : before);
        keep_reason(s, error);
        answer_pause(s);
    } else {
        go_back(s, before);
        wr_operation_fail(s, error);
    }
}

void wr_pausing_hibernated(void *owner, const struct wr_saved *saved, const struct wr_error *error)
{
    struct wr_engine_sandbox *s = owner;

    if (saved)
        hibernated(s, saved);
    else
        not_hibernated(s, error);
    if (!wr_state_busy(s->state))
        wr_ending_settle(s);
}

/* RESUME */

static int resume_living(struct wr_engine_sandbox *s, const struct wr_action_request *r,
                         const struct wr_spec_resume *resume, struct wr_error *err)
{
    struct wr_handover handover = {.fd_count = 0};

    s->spec.sockets = resume->sockets;
    s->spec.egress = resume->egress;
    s->booted = false;
    /* First what can fail: then it is paused still. */
    int rc = wr_handover_prepare(s, &handover, err);
    if (rc == 0 && s->state != WR_SANDBOX_RUNNING)
        rc = thaw(s, err);
    if (rc == 0)
        wr_engine_reply(r->engine, r->kind, r->sequence, wr_handover_json(&handover), handover.fds,
                        handover.fd_count);
    wr_handover_done(&handover);
    return rc;
}

static int resume_saved(struct wr_engine_sandbox *s, const struct wr_action_request *r,
                        const struct wr_spec_resume *resume, struct wr_error *err)
{
    int rc = wr_spec_take_resume(&s->spec, resume, err);

    if (rc < 0)
        return rc;
    wr_operation_begin(s, r, s->state);
    rc = wr_starting_saved(s, resume->memory, err);
    if (rc < 0)
        s->op = (struct wr_engine_op){.sequence = 0};
    return rc < 0 ? rc : WR_ACTION_WAITS;
}

/* Its processes end; what it wrote stays, and is booted when they are gone. */
static int resume_booted(struct wr_engine_sandbox *s, const struct wr_action_request *r,
                         const struct wr_spec_resume *resume, struct wr_error *err)
{
    int rc = wr_spec_take_resume(&s->spec, resume, err);

    if (rc == 0)
        rc = s->engine->ops->hibernate(s->instance, false, err);
    if (rc < 0) {
        wr_spec_secrets_forget(&s->spec);
        return rc;
    }
    wr_operation_begin(s, r, WR_SANDBOX_HIBERNATING);
    return WR_ACTION_WAITS;
}

int wr_action_resume(const struct wr_action_request *r, struct wr_error *err)
{
    static int (*const ways[][2])(struct wr_engine_sandbox * s, const struct wr_action_request *r,
                                  const struct wr_spec_resume *resume, struct wr_error *err) = {
        /* without memory, with it */
        [WR_SANDBOX_RUNNING] = {resume_living, resume_living},
        [WR_SANDBOX_FROZEN] = {resume_booted, resume_living},
        [WR_SANDBOX_PAGED] = {resume_booted, resume_living},
        [WR_SANDBOX_HIBERNATED] = {resume_saved, resume_saved},
    };
    struct wr_spec_resume resume = {.memory = true};
    struct wr_engine_sandbox *s = NULL;
    int rc = wr_spec_read_resume(r->payload, &resume, err);

    if (rc == 0)
        rc = wr_spec_secrets_check(&resume.secrets, err);
    if (rc == 0)
        rc = wr_action_find_id(r, resume.id, &s, err);
    if (rc == 0)
        rc = wr_action_check_open(r->engine, err);
    return rc < 0 ? rc : ways[s->state][resume.memory](s, r, &resume, err);
}

/* ROLLBACK */

static int rebase(struct wr_engine_sandbox *s, const char *snapshot, struct wr_error *err)
{
    struct wr_saved saved = {.memory = false};
    int rc = s->engine->ops->rebase(s->engine->driver, &s->spec, snapshot, &saved, err);

    if (rc < 0)
        return rc;
    s->pause = (struct wr_engine_pause){
        .paused_ms = wr_wall_ms(), .bytes = saved.bytes, .memory = saved.memory};
    memcpy(s->pause.source, snapshot, sizeof(s->pause.source));
    return 0;
}

static int check_snapshot(const struct wr_engine *engine, const char *id, struct wr_error *err)
{
    if (!wr_id_valid(id) || wr_engine_find(engine, id))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no snapshot %.40s", id);
    return 0;
}

int wr_action_rollback(const struct wr_action_request *r, struct wr_error *err)
{
    struct wr_spec_resume resume = {.memory = true};
    struct wr_engine_sandbox *s = NULL;
    int rc = wr_spec_read_rollback(r->payload, &resume, err);

    if (rc == 0)
        rc = wr_action_find_id(r, resume.id, &s, err);
    if (rc == 0)
        rc = check_snapshot(r->engine, resume.snapshot, err);
    if (rc == 0)
        rc = wr_action_check_open(r->engine, err);
    if (rc == 0)
        rc = check_no_blank(s, err);
    if (rc == 0)
        rc = wr_spec_take_resume(&s->spec, &resume, err);
    if (rc < 0)
        return rc;
    rc = rebase(s, resume.snapshot, err);
    if (rc < 0) {
        wr_spec_secrets_forget(&s->spec);
        return rc;
    }
    /* From here on it is hibernated as it was then, whatever happens. */
    wr_operation_begin(s, r, WR_SANDBOX_ROLLING_BACK);
    s->op.before = WR_SANDBOX_HIBERNATED;
    memcpy(s->op.snapshot, resume.snapshot, sizeof(s->op.snapshot));
    if (s->instance)
        s->engine->ops->kill(s->instance);
    else
        wr_pausing_roll_back(s);
    return WR_ACTION_WAITS;
}

void wr_pausing_rollback_failed(struct wr_engine_sandbox *s, const struct wr_error *error)
{
    struct wr_error err = *error;

    (void)wr_wrap(&err, "sandbox %s is hibernated as snapshot %s has it", s->spec.id,
                  s->op.snapshot);
    wr_operation_fail(s, &err);
}

void wr_pausing_roll_back(struct wr_engine_sandbox *s)
{
    struct wr_error err = {0};

    enter(s, WR_SANDBOX_HIBERNATED);
    if (s->kill_count > 0)
        wr_operation_abort(s);
    else if (s->engine->shutdown_sequence)
        wr_pausing_rollback_failed(
            s, &(struct wr_error){.code = WR_E_ABORTED, .msg = "the engine is shutting down"});
    else if (wr_starting_saved(s, true, &err) < 0)
        wr_pausing_rollback_failed(s, &err);
    if (!wr_state_busy(s->state))
        wr_ending_settle(s);
}
