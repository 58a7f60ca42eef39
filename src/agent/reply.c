#include "agent/reply.h"

#include "json/jwrite.h"

#define ERROR_BODY_MAX ((size_t)32 * 1024) /* a path of PATH_MAX bytes, escaped, fits */

static void send_json(struct wr_exchange *ex, int status, const struct wr_buf *json, bool nosniff)
{
    wr_exchange_begin(ex, status);
    wr_exchange_header(ex, "Content-Type", "application/json; charset=utf-8");
    if (nosniff)
        wr_exchange_header(ex, "X-Content-Type-Options", "nosniff");
    wr_exchange_send(ex, wr_buf_ptr(json), json->len);
}

void wr_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *json)
{
    send_json(ex, status, json, false);
}

void wr_reply_error(struct wr_exchange *ex, int status, const char *fmt, ...)
{
    wr_auto_buf text = WR_BUF(ERROR_BODY_MAX);
    wr_auto_buf body = WR_BUF(ERROR_BODY_MAX);
    struct wr_jw w;
    va_list ap;

    va_start(ap, fmt);
    int rc = wr_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_ki64(&w, "code", status);
    wr_jw_key(&w, "message");
    wr_jw_strn(&w, rc == 0 ? wr_buf_ptr(&text) : "", rc == 0 ? text.len : 0);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0 || wr_buf_append_char(&body, '\n') < 0)
        wr_buf_clear(&body);
    send_json(ex, status, &body, true);
}
