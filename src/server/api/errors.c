#include "server/api/errors.h"

#include "base/str.h"
#include "json/jwrite.h"

static void reply(struct wr_exchange *ex, int status, const char *message)
{
    wr_auto_buf body = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_ki64(&w, "code", status);
    wr_jw_kstr(&w, "message", message);
    wr_jw_end(&w);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

void wr_api_fail(struct wr_exchange *ex, const struct wr_error *error)
{
    reply(ex, wr_code_http_status((enum wr_code)error->code), error->msg);
}

void wr_api_no_sandbox(struct wr_exchange *ex, const char *id)
{
    char text[160];

    if (!wr_strformat(text, sizeof text,
                      "Sandbox \"%.64s\" doesn't exist or you don't have access to it", id))
        text[0] = '\0';
    reply(ex, 404, text);
}

void wr_api_no_route(struct wr_exchange *ex, int status)
{
    reply(ex, status,
          status == 404 ? "there is no such path in this API" : "the path has no such method");
}

void wr_api_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *body, int r)
{
    if (r < 0)
        wr_exchange_abort(ex);
    else
        wr_exchange_reply(ex, status, "application/json", wr_buf_ptr(body), body->len);
}
