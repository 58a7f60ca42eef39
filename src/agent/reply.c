#include "agent/reply.h"

#include "base/alloc.h"
#include "json/jwrite.h"

#define JSON_TYPE      "application/json; charset=utf-8"
/* Whoever was refused must not keep a connection by a body without end. */
#define PATIENCE_MS    10000
#define ERROR_BODY_MAX ((size_t)32 * 1024) /* a path of PATH_MAX bytes, escaped, fits */

void wr_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *json)
{
    wr_exchange_begin(ex, status);
    wr_exchange_header(ex, "Content-Type", JSON_TYPE);
    wr_exchange_send(ex, wr_buf_ptr(json), json->len);
}

/* {"code":..,"message":..}: the word, or the status and a line's end when it is NULL. Empty without
 * memory. */
static void WR_PRINTF(4, 0)
    write_error(struct wr_buf *body, int status, const char *word, const char *fmt, va_list ap)
{
    wr_auto_buf text = WR_BUF(ERROR_BODY_MAX);
    struct wr_jw w;
    int rc = wr_buf_vprintf(&text, fmt, ap);

    wr_jw_init(&w, body);
    wr_jw_object(&w);
    if (word)
        wr_jw_kstr(&w, "code", word);
    else
        wr_jw_ki64(&w, "code", status);
    wr_jw_key(&w, "message");
    wr_jw_strn(&w, rc == 0 ? wr_buf_ptr(&text) : "", rc == 0 ? text.len : 0);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0 || (!word && wr_buf_append_char(body, '\n') < 0))
        wr_buf_clear(body);
}

/* The head is begun already. */
static void send_error(struct wr_exchange *ex, const struct wr_buf *body)
{
    wr_exchange_header(ex, "Content-Type", JSON_TYPE);
    wr_exchange_header(ex, "X-Content-Type-Options", "nosniff");
    wr_exchange_send(ex, wr_buf_ptr(body), body->len);
}

/* `name` NULL: no further field. */
static void WR_PRINTF(5, 0) reply_error(struct wr_exchange *ex, int status, const char *name,
                                        const char *value, const char *fmt, va_list ap)
{
    wr_auto_buf body = WR_BUF(ERROR_BODY_MAX);

    write_error(&body, status, NULL, fmt, ap);
    wr_exchange_begin(ex, status);
    if (name)
        wr_exchange_header(ex, name, value);
    send_error(ex, &body);
}

void wr_reply_error(struct wr_exchange *ex, int status, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reply_error(ex, status, NULL, NULL, fmt, ap);
    va_end(ap);
}

void wr_reply_error_with(struct wr_exchange *ex, int status, const char *name, const char *value,
                         const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    reply_error(ex, status, name, value, fmt, ap);
    va_end(ap);
}

/* An answer that waits for the end of the request. */
struct late {
    struct wr_exchange *ex;
    struct wr_timer patience;
    int status;
    struct wr_buf body;
};

static void on_body_end(struct wr_exchange *ex, void *data)
{
    struct late *late = data;
    wr_timer_stop(&late->patience);
    wr_exchange_begin(ex, late->status);
    send_error(ex, &late->body);
}

static void on_patience(struct wr_timer *timer, void *data)
{
    struct late *late = data;
    (void)timer;
    on_body_end(late->ex, late);
}

static void free_late(struct wr_exchange *ex, bool aborted, void *data)
{
    struct late *late = data;
    (void)ex;
    (void)aborted;
    wr_timer_stop(&late->patience);
    wr_buf_done(&late->body);
    free(late);
}

static void send_now(struct wr_exchange *ex, int status, const struct wr_buf *body)
{
    wr_exchange_begin(ex, status);
    send_error(ex, body);
}

/* Takes the body over if it has to wait. */
static void send_late(struct wr_exchange *ex, int status, struct wr_buf *body)
{
    static const struct wr_exchange_ops ops = {.on_body_end = on_body_end, .on_close = free_late};
    const struct wr_h1_head *head = wr_exchange_head(ex);
    struct wr_error err;

    /* Nothing to wait for, or a client that asks before it sends. */
    bool now = head->framing == WR_H1_BODY_NONE || head->expect_continue;
    struct late *late = now ? NULL : wr_calloc(1, sizeof(*late));
    if (late && wr_timer_start(wr_exchange_loop(ex), &late->patience, PATIENCE_MS, on_patience,
                               late, &err) < 0) {
        free(late);
        late = NULL;
    }
    if (!late) {
        send_now(ex, status, body);
        return;
    }
    late->ex = ex;
    late->status = status;
    late->body = *body;
    *body = (struct wr_buf){0};
    wr_exchange_set_ops(ex, &ops, late);
}

void wr_reply_error_late(struct wr_exchange *ex, int status, const char *fmt, ...)
{
    wr_auto_buf body = WR_BUF(ERROR_BODY_MAX);
    va_list ap;

    va_start(ap, fmt);
    write_error(&body, status, NULL, fmt, ap);
    va_end(ap);
    send_late(ex, status, &body);
}

void wr_reply_word(struct wr_exchange *ex, int status, const char *word, bool late, const char *fmt,
                   va_list ap)
{
    wr_auto_buf body = WR_BUF(ERROR_BODY_MAX);

    write_error(&body, status, word, fmt, ap);
    if (late)
        send_late(ex, status, &body);
    else
        send_now(ex, status, &body);
}
