#include "interpreter/execution.h"

#include <string.h>

#include "base/alloc.h"
#include "interpreter/context.h"
#include "interpreter/limits.h"
#include "interpreter/line.h"

static void detach(struct wr_execution *e)
{
    wr_timer_stop(&e->keepalive);
    wr_text_done(&e->text);
    wr_buf_done(&e->frame);
    e->context = NULL;
}

static void set_blocked(struct wr_execution *e, bool blocked)
{
    if (e->blocked == blocked || !e->context)
        return;
    e->blocked = blocked;
    wr_context_flow(e->context, e);
}

static void write_bytes(struct wr_execution *e, const char *data, size_t len)
{
    e->last_sent_ms = wr_loop_now_ms(e->interpreter->loop);
    if (wr_exchange_write(e->ex, data, len) == WR_HTTP_FULL)
        set_blocked(e, true);
}

/* Sends the scratch line, if it could be written. */
static void write_line(struct wr_execution *e, int rc)
{
    struct wr_buf *line = &e->interpreter->line;

    if (rc < 0)
        wr_exchange_abort(e->ex); /* a line must not go missing silently */
    else
        write_bytes(e, wr_buf_ptr(line), line->len);
    wr_buf_clear(line);
    wr_buf_trim(line, WR_TEXT_FULL);
}

static void emit_text(void *owner, enum wr_stream stream, const char *data, size_t len)
{
    struct wr_execution *e = owner;
    write_line(e, wr_line_text(&e->interpreter->line, stream, data, len));
}

static enum wr_text_room text_room(void *owner)
{
    const struct wr_execution *e = owner;
    if (e->blocked)
        return WR_TEXT_BLOCKED;
    return wr_exchange_unsent(e->ex) > WR_TEXT_SLOW ? WR_TEXT_BUSY : WR_TEXT_FREE;
}

static void on_keepalive(struct wr_timer *timer, void *data)
{
    struct wr_execution *e = data;
    struct wr_error err;
    uint64_t silent_ms = wr_loop_now_ms(e->interpreter->loop) - e->last_sent_ms;
    uint64_t next_ms = WR_INTERPRETER_KEEPALIVE_MS;

    if (silent_ms < next_ms)
        next_ms -= silent_ms; /* only the rest of the silence is left */
    else if (!e->blocked && !e->mid_line)
        write_bytes(e, wr_line_keepalive, strlen(wr_line_keepalive));
    (void)!wr_timer_start(e->interpreter->loop, timer, next_ms, on_keepalive, e,
                          &err); /* has its place in the heap already */
}

static void on_drain(struct wr_exchange *ex, void *data)
{
    (void)ex;
    set_blocked(data, false);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct wr_execution *e = data;

    (void)ex;
    (void)aborted;
    e->ex = NULL;
    wr_timer_stop(&e->keepalive);
    if (!e->context || !wr_context_left(e->context, e))
        wr_execution_free(e);
}

void wr_execution_free(struct wr_execution *e)
{
    detach(e);
    free(e);
}

bool wr_execution_outlives_client(const struct wr_execution *e)
{
    return e->kept || !wr_life_goes_on(&e->life);
}

int wr_execution_new(struct wr_interpreter *interpreter, struct wr_context *context,
                     struct wr_exchange *ex, struct wr_buf *frame, struct wr_execution **ret,
                     struct wr_error *err)
{
    static const struct wr_exchange_ops ops = {.on_drain = on_drain, .on_close = on_close};
    static const struct wr_text_ops text_ops = {.emit = emit_text, .room = text_room};
    struct wr_execution *e = wr_calloc(1, sizeof(*e));

    if (!e)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for an execution");
    e->interpreter = interpreter;
    e->context = context;
    e->ex = ex;
    e->last_sent_ms = wr_loop_now_ms(interpreter->loop);
    wr_life_now(&e->life);
    wr_text_init(&e->text, interpreter->loop, &text_ops, e);
    e->text.apart = context->language->apart;
    int rc = wr_timer_start(interpreter->loop, &e->keepalive, WR_INTERPRETER_KEEPALIVE_MS,
                            on_keepalive, e, err);
    if (rc < 0) {
        free(e);
        return rc;
    }
    e->frame = *frame;
    *frame = (struct wr_buf){0};
    wr_exchange_set_ops(ex, &ops, e);
    wr_exchange_begin(ex, 200);
    wr_exchange_stream(ex, -1);
    *ret = e;
    return 0;
}

void wr_execution_count(struct wr_execution *e, uint64_t count)
{
    wr_text_flush(&e->text);
    write_line(e, wr_line_count(&e->interpreter->line, count));
}

void wr_execution_text(struct wr_execution *e, enum wr_stream stream, const char *data, size_t len)
{
    wr_text_add(&e->text, stream, data, len);
}

static void write_error(struct wr_execution *e, const char *name, const char *value)
{
    if (!e->error_told)
        write_line(e, wr_line_error(&e->interpreter->line, name, value, ""));
    e->error_told = true;
}

/* The first piece of a line: whether it is passed on. */
static bool admit(struct wr_execution *e, const struct wr_frame_piece *piece)
{
    wr_text_flush(&e->text);
    if (piece->bad) {
        write_error(e, WR_ERROR_OUTPUT,
                    "the runner wrote a result that is not one line of ASCII JSON");
        return false;
    }
    if (piece->is_error && e->error_told)
        return false;
    e->error_told = e->error_told || piece->is_error;
    return true;
}

bool wr_execution_line(struct wr_execution *e, const struct wr_frame_piece *piece)
{
    struct wr_buf *line = &e->interpreter->line;

    if (piece->first)
        e->skip_line = !admit(e, piece);
    if (e->skip_line)
        return true;
    if (piece->bad) { /* its beginning is out already */
        wr_exchange_abort(e->ex);
        return false;
    }
    e->mid_line = !piece->last;
    wr_buf_clear(line);
    int rc = wr_buf_append(line, piece->data, piece->len);
    if (rc == 0 && piece->last)
        rc = wr_buf_append_char(line, '\n');
    write_line(e, rc);
    return true;
}

void wr_execution_end(struct wr_execution *e)
{
    wr_text_flush(&e->text);
    if (e->mid_line) {
        wr_exchange_abort(e->ex);
    } else {
        write_bytes(e, wr_line_end, strlen(wr_line_end));
        wr_exchange_end(e->ex);
    }
    detach(e);
}

void wr_execution_fail(struct wr_execution *e, const char *name, const char *value)
{
    if (!e->ex) {
        wr_execution_free(e);
        return;
    }
    wr_text_flush(&e->text);
    if (!e->mid_line)
        write_error(e, name, value);
    wr_execution_end(e);
}
