#include "server/ingress/answers.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/ingress/browser.h"
#include "server/ingress/page.h"

#define TOKEN_TEXT "Sandbox is secured with traffic access token. "

struct answer {
    int status;
    const char *message;
    const char *title; /* of the page */
    const char *text;  /* of the page; NULL: the message */
    const char *hint;  /* of the page */
    const char *id;    /* NULL: left out, like a NULL path and a zero port or limit */
    const char *path;
    unsigned port;
    unsigned limit;
};

static int write_json(struct wr_buf *body, const struct answer *answer)
{
    struct wr_jw w;

    wr_jw_init(&w, body);
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
    return wr_jw_finish(&w);
}

static int write_page(struct wr_buf *body, const struct answer *answer)
{
    const struct wr_page page = {
        .status = answer->status,
        .title = answer->title,
        .text = answer->text ? answer->text : answer->message,
        .hint = answer->hint,
        .id = answer->id,
    };

    return wr_page_write(body, &page);
}

static void send_answer(struct wr_exchange *ex, const struct answer *answer)
{
    wr_auto_buf body = WR_BUF(20 * 1024);
    bool page = wr_wants_page(wr_exchange_head(ex));

    if ((page ? write_page(&body, answer) : write_json(&body, answer)) < 0) {
        wr_exchange_abort(ex);
        return;
    }
    wr_exchange_begin(ex, answer->status);
    wr_exchange_header(ex, "Content-Type",
                       page ? "text/html; charset=utf-8" : "application/json; charset=utf-8");
    if (page) {
        /* The origin belongs to the sandbox's service: what this page may do there is nothing. */
        wr_exchange_header(ex, "Content-Security-Policy",
                           "default-src 'none'; style-src 'unsafe-inline'");
        wr_exchange_header(ex, "Cache-Control", "no-store");
    }
    wr_exchange_send(ex, wr_buf_ptr(&body), body.len);
}

void wr_ingress_bad_request(struct wr_exchange *ex, const char *text)
{
    wr_exchange_reply(ex, 400, "text/plain; charset=utf-8", text, strlen(text));
}

void wr_ingress_no_sandbox(struct wr_exchange *ex, const char *id)
{
    send_answer(ex, &(struct answer){
                        .status = 502,
                        .message = "The sandbox was not found",
                        .title = "Sandbox Not Found",
                        .text = "There is no running sandbox with this id.",
                        .hint = "It may have been stopped, or have reached the end of its life.",
                        .id = id,
                    });
}

void wr_ingress_port_closed(struct wr_exchange *ex, const char *id, uint16_t port)
{
    char text[128];

    (void)snprintf(text, sizeof text,
                   "The sandbox is running, but there is no service running on port %u.", port);
    send_answer(ex, &(struct answer){
                        .status = 502,
                        .message = "The sandbox is running but port is not open",
                        .title = "Closed Port",
                        .text = text,
                        .hint = "Start a service on this port, then load the page again.",
                        .id = id,
                        .port = port,
                    });
}

void wr_ingress_forbidden(struct wr_exchange *ex, const char *id, enum wr_ingress_access access)
{
    bool missing = access == WR_ACCESS_NO_TOKEN;

    send_answer(
        ex, &(struct answer){
                .status = 403,
                .message = missing ? TOKEN_TEXT "Token header '" WR_INGRESS_TOKEN "' is missing"
                                   : TOKEN_TEXT "Provided token in header '" WR_INGRESS_TOKEN
                                                "' is invalid",
                .title = missing ? "Missing Traffic Access Token" : "Invalid Traffic Access Token",
                .hint = "Send the token that the sandbox was created with.",
                .id = id,
            });
}

void wr_ingress_too_many(struct wr_exchange *ex, const char *id, unsigned limit)
{
    send_answer(ex, &(struct answer){
                        .status = 429,
                        .message = "Too many connections to the sandbox",
                        .title = "Too Many Connections",
                        .hint = "Close some of them, or try again in a moment.",
                        .id = id,
                        .limit = limit,
                    });
}

void wr_ingress_reserved(struct wr_exchange *ex, const char *path)
{
    send_answer(ex, &(struct answer){
                        .status = 404,
                        .message = "This endpoint is reserved for the E2B control plane and is "
                                   "not reachable through the sandbox URL",
                        .title = "Reserved Endpoint",
                        .path = path,
                    });
}

void wr_ingress_asleep(struct wr_exchange *ex, const char *id)
{
    send_answer(ex, &(struct answer){
                        .status = 403,
                        .message = "The sandbox is paused. It is resumed for requests with its "
                                   "access token in header 'X-Access-Token'",
                        .title = "Paused Sandbox",
                        .id = id,
                    });
}

void wr_ingress_changing(struct wr_exchange *ex, const char *id)
{
    send_answer(ex, &(struct answer){
                        .status = 409,
                        .message = "The sandbox is still transitioning. Try again in a moment.",
                        .title = "Sandbox Is Changing",
                        .hint = "It is being paused or resumed.",
                        .id = id,
                    });
}

void wr_ingress_failed(struct wr_exchange *ex, const char *id, const struct wr_error *error)
{
    send_answer(ex, &(struct answer){
                        .status = wr_api_status(error),
                        .message = error->msg,
                        .title = "The Sandbox Did Not Answer",
                        .id = id,
                    });
}
