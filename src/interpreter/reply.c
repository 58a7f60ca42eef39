#include "interpreter/reply.h"

#include "agent/reply.h"
#include "json/jwrite.h"

#define TEXT_MAX ((size_t)4096)

void wr_reply_text(struct wr_exchange *ex, int status, const char *fmt, ...)
{
    wr_auto_buf text = WR_BUF(TEXT_MAX);
    va_list ap;

    va_start(ap, fmt);
    if (wr_buf_vprintf(&text, fmt, ap) < 0)
        wr_buf_clear(&text); /* the status says the most of it */
    va_end(ap);
    wr_exchange_reply(ex, status, "text/plain; charset=utf-8", wr_buf_ptr(&text), text.len);
}

void wr_reply_detail(struct wr_exchange *ex, int status, const char *detail)
{
    wr_auto_buf body = WR_BUF(TEXT_MAX);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "detail", detail);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        wr_buf_clear(&body);
    wr_reply_json(ex, status, &body);
}
