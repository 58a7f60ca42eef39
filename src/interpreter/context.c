#include "interpreter/context.h"

#include <stdio.h>

#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/rand.h"
#include "base/str.h"
#include "interpreter/limits.h"
#include "interpreter/line.h"
#include "interpreter/prepare.h"
#include "interpreter/renewal.h"
#include "interpreter/waiter.h"

static void advance(struct wr_context *context);

static void make_id(char out[static WR_CONTEXT_ID_LEN + 1])
{
    unsigned char b[16];

    wr_random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* RFC 9562: version 4, variant 10 */
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    (void)snprintf(out, WR_CONTEXT_ID_LEN + 1,
                   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
                   b[14], b[15]);
}

int wr_context_new(struct wr_interpreter *interpreter, const struct wr_language *language,
                   const char *cwd, bool is_default, struct wr_context **ret, struct wr_error *err)
{
    if (interpreter->context_count >= WR_INTERPRETER_CONTEXTS)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "there are %d contexts already; remove one first", WR_INTERPRETER_CONTEXTS);
    struct wr_context *context = wr_calloc(1, sizeof(*context));
    wr_auto_free char *copy = cwd ? wr_strdup(cwd) : NULL;
    if (!context || (cwd && !copy)) {
        free(context);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a context");
    }
    context->interpreter = interpreter;
    context->language = language;
    context->cwd = wr_steal_ptr(&copy);
    context->is_default = is_default;
    wr_list_init(&context->queue);
    wr_list_init(&context->waiters);
    make_id(context->id);
    wr_list_append(&interpreter->contexts, &context->link);
    interpreter->context_count++;
    *ret = context;
    return 0;
}

static struct wr_execution *take_first(struct wr_context *context)
{
    struct wr_execution *e = wr_list_entry(context->queue.next, struct wr_execution, link);

    wr_list_remove(&e->link);
    context->queue_count--;
    context->interpreter->queued_bytes -= e->frame.len;
    return e;
}

void wr_context_free(struct wr_context *context)
{
    wr_prepare_lost(context, "the context was removed");
    if (context->running)
        wr_execution_fail(wr_steal_ptr(&context->running), WR_ERROR_ENDED, WR_ERROR_ENDED_TEXT);
    while (!wr_list_empty(&context->queue))
        wr_execution_fail(take_first(context), WR_ERROR_ENDED, WR_ERROR_ENDED_TEXT);
    context->runner = wr_runner_free(context->runner);
    wr_waiters_answer(&context->waiters);
    wr_list_remove(&context->link);
    free(context->cwd);
    free(context);
}

void wr_context_drop(struct wr_context *context)
{
    context->interpreter->context_count--;
    wr_context_free(context);
}

struct wr_context *wr_context_find(struct wr_interpreter *interpreter, const char *id)
{
    wr_list_foreach(it, &interpreter->contexts) {
        struct wr_context *context = wr_list_entry(it, struct wr_context, link);
        if (wr_streq(context->id, id))
            return context;
    }
    return NULL;
}

int wr_context_default(struct wr_interpreter *interpreter, const struct wr_language *language,
                       struct wr_context **ret, struct wr_error *err)
{
    wr_list_foreach(it, &interpreter->contexts) {
        struct wr_context *context = wr_list_entry(it, struct wr_context, link);
        if (context->is_default && context->language == language) {
            *ret = context;
            return 0;
        }
    }
    return wr_context_new(interpreter, language, NULL, true, ret, err);
}

static int find_user(const struct wr_interpreter *interpreter, struct wr_user *user,
                     struct wr_error *err)
{
    return wr_user_lookup(interpreter->agent->config->default_user, user, err);
}

static int build_env(const struct wr_interpreter *interpreter, const struct wr_user *user,
                     struct wr_env *env, struct wr_error *err)
{
    return wr_env_build(env, user, interpreter->agent->config->env, NULL, err);
}

void wr_default_cwd(const struct wr_interpreter *interpreter, char out[static PATH_MAX])
{
    struct wr_user user;
    struct wr_error err;

    /* A home fits always. */
    (void)!wr_strcopy(out, PATH_MAX, find_user(interpreter, &user, &err) < 0 ? "/" : user.home);
}

int wr_context_check(struct wr_interpreter *interpreter, const struct wr_language *language,
                     struct wr_error *err)
{
    wr_auto_env env = {0};
    struct wr_user user;

    int rc = find_user(interpreter, &user, err);
    if (rc == 0)
        rc = build_env(interpreter, &user, &env, err);
    if (rc < 0)
        return rc;
    const char *path = wr_env_get(&env, "PATH");
    return wr_language_check(language, path ? path : WR_ENV_DEFAULT_PATH, err);
}

/* Ends the running execution, without a word to its runner. */
static void fail_running(struct wr_context *context, const char *name, const char *value)
{
    if (context->running)
        wr_execution_fail(wr_steal_ptr(&context->running), name, value);
}

static void on_ready(void *owner)
{
    struct wr_context *context = owner;

    wr_prepare_ready(context);
    advance(context);
}

static void on_count(void *owner, uint64_t count)
{
    struct wr_context *context = owner;
    if (context->running)
        wr_execution_count(context->running, count);
}

static void on_text(void *owner, enum wr_stream stream, const char *data, size_t len)
{
    struct wr_context *context = owner;
    if (context->running)
        wr_execution_text(context->running, stream, data, len);
}

static void on_line(void *owner, const struct wr_frame_piece *piece)
{
    struct wr_context *context = owner;
    if (context->running && !wr_execution_line(context->running, piece))
        wr_runner_end(context->runner);
}

static void on_done(void *owner)
{
    struct wr_context *context = owner;

    if (context->running)
        wr_execution_end(wr_steal_ptr(&context->running));
    else
        wr_prepare_ready(context);
    advance(context);
}

static void on_renewed(void *owner)
{
    struct wr_context *context = owner;

    context->renewing = false;
    wr_renewals_look(context->interpreter);
}

/* Whose fault the end of a runner is, as clients see it. */
static void tell_gone(struct wr_context *context, bool was_ready, const struct wr_error *why)
{
    const char *text = why->code != 0 ? why->msg : WR_ERROR_RESTARTING_TEXT;

    if (!was_ready && !wr_list_empty(&context->queue))
        wr_execution_fail(take_first(context), WR_ERROR_START, text);
    fail_running(context, WR_ERROR_RESTARTING, text);
}

static void on_gone(void *owner, const struct wr_error *why)
{
    struct wr_context *context = owner;
    bool was_ready = context->runner->was_ready, forked = context->runner->forked;
    bool ordered = context->runner->state == WR_RUNNER_ENDING;
    struct wr_error err;

    wr_prepare_lost(context, why->code != 0 ? why->msg : "the runner ended");
    context->runner = wr_runner_free(context->runner);
    on_renewed(context); /* one that is started from now on shares nothing */
    if (context->removed) {
        wr_context_free(context);
        return;
    }
    wr_waiters_answer(&context->waiters);
    if (!was_ready && forked && !ordered)
        context->plain = true;
    else
        tell_gone(context, was_ready || ordered, why);
    if (ordered && wr_list_empty(&context->queue))
        (void)!wr_context_start(context, &err); /* a restart; a failure shows at the next cell */
    advance(context);
}

int wr_context_start(struct wr_context *context, struct wr_error *err)
{
    static const struct wr_runner_ops ops = {.ready = on_ready,
                                             .count = on_count,
                                             .text = on_text,
                                             .line = on_line,
                                             .done = on_done,
                                             .renewed = on_renewed,
                                             .gone = on_gone};
    wr_auto_env env = {0};
    struct wr_user user;

    if (context->runner)
        return 0;
    int rc = find_user(context->interpreter, &user, err);
    if (rc == 0)
        rc = build_env(context->interpreter, &user, &env, err);
    if (rc < 0)
        return rc;
    const struct wr_start_opts opts = {
        .loop = context->interpreter->loop,
        .language = context->language,
        .user = &user,
        .env = &env,
        .cwd = context->cwd ? context->cwd : user.home,
        .cpu_millis = context->interpreter->agent->config->cpu_millis,
        .plain = context->plain,
        .queue = &context->interpreter->starts,
    };
    return wr_runner_new(&opts, &ops, context, &context->runner, err);
}

/* Runs the next execution if its time has come. */
static void advance(struct wr_context *context)
{
    struct wr_error err = {0};

    while (!context->running && !wr_list_empty(&context->queue)) {
        if (!context->runner && wr_context_start(context, &err) < 0) {
            wr_execution_fail(take_first(context), WR_ERROR_START, err.msg);
            continue;
        }
        if (context->runner->state != WR_RUNNER_IDLE)
            return;
        struct wr_execution *e = take_first(context);
        if (wr_runner_execute(context->runner, &e->frame, false, &err) < 0) {
            wr_execution_fail(e, WR_ERROR_START, err.msg);
            continue;
        }
        wr_buf_done(&e->frame);
        if (e->ex)
            context->running = e;
        else
            wr_execution_free(e);
    }
}

int wr_context_admit(const struct wr_context *context, size_t bytes, struct wr_error *err)
{
    if (context->queue_count >= WR_INTERPRETER_QUEUE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d executions wait for context %s already; wait for one to end",
                       WR_INTERPRETER_QUEUE, context->id);
    if (context->interpreter->queued_bytes + bytes > WR_INTERPRETER_QUEUED)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "more than %zu MiB of code wait to be run; wait for an execution to end",
                       (size_t)(WR_INTERPRETER_QUEUED / WR_MIB));
    return 0;
}

void wr_context_submit(struct wr_context *context, struct wr_execution *e)
{
    wr_list_append(&context->queue, &e->link);
    context->queue_count++;
    context->interpreter->queued_bytes += e->frame.len;
    advance(context);
}

bool wr_context_left(struct wr_context *context, struct wr_execution *e)
{
    bool kept = wr_execution_outlives_client(e);

    if (context->running != e && kept)
        return true;
    if (context->running != e) {
        context->queue_count--;
        context->interpreter->queued_bytes -= e->frame.len;
        wr_list_remove(&e->link);
        return false;
    }
    /* The cell goes on until it has ended, by the interrupt or by itself; the next one waits for
     * that. */
    context->running = NULL;
    if (context->runner)
        wr_runner_pause(context->runner, false);
    if (context->runner && !kept)
        wr_runner_interrupt(context->runner);
    if (!context->runner)
        advance(context);
    return false;
}

void wr_context_keep(struct wr_context *context)
{
    if (context->running)
        context->running->kept = true;
    wr_list_foreach(it, &context->queue)
        wr_list_entry(it, struct wr_execution, link)->kept = true;
}

void wr_context_flow(struct wr_context *context, const struct wr_execution *e)
{
    if (context->runner && context->running == e)
        wr_runner_pause(context->runner, e->blocked);
}

void wr_context_end(struct wr_context *context, struct wr_exchange *ex, bool remove)
{
    struct wr_interpreter *interpreter = context->interpreter;

    wr_waiter_add(&context->waiters, ex);
    context->plain = false;
    fail_running(context, WR_ERROR_ENDED, WR_ERROR_ENDED_TEXT);
    if (remove) {
        while (!wr_list_empty(&context->queue))
            wr_execution_fail(take_first(context), WR_ERROR_ENDED, WR_ERROR_ENDED_TEXT);
        context->removed = true;
        wr_list_remove(&context->link);
        wr_list_append(&interpreter->leaving, &context->link);
        interpreter->context_count--;
    }
    if (context->runner) {
        wr_runner_pause(context->runner, false);
        wr_runner_end(context->runner);
    } else if (remove) {
        wr_context_free(context);
    } else {
        wr_waiters_answer(&context->waiters);
    }
}

bool wr_context_assign(struct wr_context *context)
{
    wr_auto_env env = {0};
    struct wr_user user;
    struct wr_error err;

    if (!context->runner || context->runner->state != WR_RUNNER_IDLE)
        return false;
    return find_user(context->interpreter, &user, &err) == 0 &&
           build_env(context->interpreter, &user, &env, &err) == 0 &&
           wr_runner_assign(context->runner, &env, context->interpreter->agent->config->cpu_millis,
                            &err) == 0;
}

void wr_context_renew(struct wr_context *context, const json_t *env)
{
    struct wr_runner *runner = context->runner;
    struct wr_error err;

    if (!runner)
        return;
    bool waits = runner->state == WR_RUNNER_IDLE;
    /* Without memory for the frame it would go on with the randomness of its siblings. */
    if (wr_runner_renew(runner, env, &err) < 0)
        wr_runner_end(runner);
    else
        context->renewing = waits || context->renewing;
}
