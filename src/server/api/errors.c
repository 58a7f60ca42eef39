#include "server/api/errors.h"

#include "base/str.h"
#include "json/jwrite.h"

void wr_api_error_code(struct wr_exchange *ex, int status, const char *message,
                       const char *error_code)
{
    wr_auto_buf body = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_ki64(&w, "code", status);
    wr_jw_kstr(&w, "message", message);
    wr_jw_kstr(&w, "error_code", error_code);
    wr_jw_end(&w);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

void wr_api_error(struct wr_exchange *ex, int status, const char *message)
{
    wr_api_error_code(ex, status, message, NULL);
}

int wr_api_status(const struct wr_error *error)
{
    if (error->code == WR_E_RESOURCE_EXHAUSTED && error->os_errno)
        return 507;
    return wr_code_http_status((enum wr_code)error->code);
}

void wr_api_fail(struct wr_exchange *ex, const struct wr_error *error)
{
    wr_api_error(ex, wr_api_status(error), error->msg);
}

void wr_api_no_sandbox(struct wr_exchange *ex, const char *id)
{
    char text[160];

    if (!wr_strformat(text, sizeof text,
                      "Sandbox \"%.64s\" doesn't exist or you don't have access to it", id))
        text[0] = '\0';
    wr_api_error(ex, 404, text);
}

void wr_api_no_route(struct wr_exchange *ex, int status)
{
    wr_api_error(ex, status,
                 status == 404 ? "there is no such path in this API"
                               : "the path has no such method");
}

void wr_api_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *body, int r)
{
    if (r < 0)
        wr_exchange_abort(ex);
    else if (!wr_exchange_has_room(ex, body->len))
        wr_api_error(ex, 503, "too many large answers wait for their clients; try again later");
    else
        wr_exchange_reply(ex, status, "application/json", wr_buf_ptr(body), body->len);
}

void wr_api_reply_empty(struct wr_exchange *ex)
{
    wr_exchange_begin(ex, 204);
    wr_exchange_send(ex, NULL, 0);
}
