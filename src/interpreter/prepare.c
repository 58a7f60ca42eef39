#include "interpreter/prepare.h"

#include "base/str.h"
#include "interpreter/context.h"
#include "interpreter/frame_writer.h"
#include "interpreter/limits.h"

/* A silent cell shows nothing, so what turns a value into text is called by itself. */
#define WARM_CELL      "get_ipython().display_formatter.format(1 + 1)"
#define WARM_FRAME_MAX 256

static void failed(struct wr_interpreter *interpreter, const char *why)
{
    interpreter->prepare = WR_PREPARE_FAILED;
    interpreter->prepared = NULL;
    if (!wr_strformat(interpreter->prepare_error, sizeof(interpreter->prepare_error), "%.230s",
                      why))
        interpreter->prepare_error[0] = '\0';
}

void wr_prepare_begin(struct wr_interpreter *interpreter)
{
    struct wr_context *context = NULL;
    struct wr_error err = {0};

    int rc = wr_context_default(interpreter, wr_language_find(NULL), &context, &err);
    if (rc == 0)
        rc = wr_context_start(context, &err);
    if (rc < 0) {
        failed(interpreter, err.msg);
        return;
    }
    interpreter->prepared = context;
    interpreter->prepare = WR_PREPARE_RUNNING;
}

bool wr_prepare_is_ready(const struct wr_interpreter *interpreter, const char **ret_failed)
{
    *ret_failed = interpreter->prepare == WR_PREPARE_FAILED ? interpreter->prepare_error : NULL;
    return interpreter->prepare == WR_PREPARE_READY;
}

static void tell_assigned(struct wr_interpreter *interpreter)
{
    void (*done)(void *data) = interpreter->assigned;

    interpreter->assigned = NULL;
    interpreter->prepared = NULL;
    if (done)
        done(interpreter->assigned_data);
}

void wr_prepare_assign(struct wr_interpreter *interpreter, void (*done)(void *data), void *data)
{
    struct wr_context *context = interpreter->prepared;

    interpreter->prepare = WR_PREPARE_NONE;
    interpreter->assigned = done;
    interpreter->assigned_data = data;
    if (context && wr_context_assign(context))
        return;
    /* Without a runner that could take it, the first use starts one with the new environment. */
    if (context && context->runner)
        wr_runner_end(context->runner);
    tell_assigned(interpreter);
}

/* The warm cell: whatever the first cell of a fresh interpreter costs is paid here. */
static int warm_up(const struct wr_context *context, struct wr_error *err)
{
    wr_auto_buf frame = WR_BUF(WARM_FRAME_MAX);

    if (wr_frame_execute(&frame, WARM_CELL, strlen(WARM_CELL), NULL, true) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the warm cell");
    return wr_runner_execute(context->runner, &frame, true, err);
}

/* An assignment writes to memory that is shared with the zygote until then, which takes a
 * millisecond the first time. */
static void rehearse(struct wr_context *context)
{
    context->interpreter->prepare =
        wr_context_assign(context) ? WR_PREPARE_REHEARSING : WR_PREPARE_READY;
}

void wr_prepare_ready(struct wr_context *context)
{
    struct wr_interpreter *interpreter = context->interpreter;
    struct wr_error err = {0};

    if (interpreter->prepared != context)
        return;
    if (interpreter->assigned)
        tell_assigned(interpreter);
    else if (interpreter->prepare == WR_PREPARE_REHEARSING)
        interpreter->prepare = WR_PREPARE_READY;
    else if (interpreter->prepare == WR_PREPARE_RUNNING && context->runner->silent)
        rehearse(context);
    else if (interpreter->prepare == WR_PREPARE_RUNNING && warm_up(context, &err) < 0)
        failed(interpreter, err.msg);
}

void wr_prepare_lost(struct wr_context *context, const char *why)
{
    struct wr_interpreter *interpreter = context->interpreter;

    if (interpreter->prepared != context)
        return;
    if (interpreter->assigned)
        tell_assigned(interpreter);
    else
        failed(interpreter, why);
}
