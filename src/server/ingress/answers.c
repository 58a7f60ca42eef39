#include "server/ingress/answers.h"

#include <string.h>

#include "base/buf.h"
#include "json/jwrite.h"

/* `id`, `path` NULL, `port` and `limit` 0: left out. */
struct answer {
    int status;
    const char *message;
    const char *id;
    const char *path;
    unsigned port;
    unsigned limit;
};

static void send_answer(struct wr_exchange *ex, const struct answer *answer)
{
    wr_auto_buf body = WR_BUF(20 * 1024);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "sandboxId", answer->id);
    wr_jw_kstr(&w, "message", answer->message);
    wr_jw_kstr(&w, "path", answer->path);
    if (answer->port)
        wr_jw_ku64(&w, "port", answer->port);
    if (answer->limit)
        wr_jw_ku64(&w, "connectionLimit", answer->limit);
    wr_jw_ki64(&w, "code", answer->status);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_exchange_abort(ex);
        return;
    }
    wr_exchange_reply(ex, answer->status, "application/json; charset=utf-8", wr_buf_ptr(&body),
                      body.len);
}

void wr_ingress_bad_request(struct wr_exchange *ex, const char *text)
{
    wr_exchange_reply(ex, 400, "text/plain; charset=utf-8", text, strlen(text));
}

void wr_ingress_no_sandbox(struct wr_exchange *ex, const char *id)
{
    send_answer(ex, &(struct answer){502, "The sandbox was not found", .id = id});
}

void wr_ingress_port_closed(struct wr_exchange *ex, const char *id, uint16_t port)
{
    send_answer(ex, &(struct answer){502, "The sandbox is running but port is not open", .id = id,
                                     .port = port});
}

void wr_ingress_too_many(struct wr_exchange *ex, const char *id, unsigned limit)
{
    send_answer(
        ex, &(struct answer){429, "Too many connections to the sandbox", .id = id, .limit = limit});
}

void wr_ingress_reserved(struct wr_exchange *ex, const char *path)
{
    send_answer(ex, &(struct answer){404,
                                     "This endpoint is reserved for the E2B control plane and is "
                                     "not reachable through the sandbox URL",
                                     .path = path});
}

void wr_ingress_failed(struct wr_exchange *ex, const char *id, const struct wr_error *error)
{
    send_answer(
        ex, &(struct answer){wr_code_http_status((enum wr_code)error->code), error->msg, .id = id});
}
