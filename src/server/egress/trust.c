#include "server/egress/trust.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "json/jwrite.h"
#include "server/agent_call.h"
#include "server/egress/authority.h"
#include "server/egress/egress.h"
#include "server/server.h"

#define BODY_MAX ((size_t)64 * 1024)

struct trust {
    struct wr_agent_call call;
    char token[WR_TOKEN_LEN + 1]; /* the sandbox may go before the call */
    wr_trust_fn fn;
    void *data;
};

static void on_answer(struct wr_agent_call *call, int status, const struct wr_error *error)
{
    struct trust *trust = wr_container_of(call, struct trust, call);
    wr_trust_fn fn = trust->fn;
    void *data = trust->data;
    /* It may lie in what is freed here. */
    struct wr_error failure = error ? *error : (struct wr_error){0};

    if (!error && status != 204)
        (void)wr_fail(&failure, WR_E_INTERNAL, 0,
                      "the agent did not change what the sandbox trusts (status %d): %.120s",
                      status, call->answer.len > 0 ? wr_buf_cstr(&call->answer) : "no text");
    wr_agent_call_cancel(call);
    explicit_bzero(trust->token, sizeof trust->token);
    free(trust);
    fn(failure.code ? &failure : NULL, data);
}

static int start(struct wr_server *server, struct wr_sandbox *sandbox, const struct trust *plan,
                 struct wr_buf *body, struct wr_error *err)
{
    struct trust *trust = wr_calloc(1, sizeof *trust);

    if (!trust)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "trust of a sandbox");
    *trust = *plan;
    memcpy(trust->token, sandbox->envd_token, sizeof trust->token);
    trust->call.path = "/trust";
    trust->call.token = trust->token;
    trust->call.timeout_ms = WR_TRUST_TIMEOUT_MS;
    trust->call.fn = on_answer;
    wr_agent_call_start(&trust->call, server, sandbox, body);
    return 0;
}

int wr_trust_install(struct wr_server *server, struct wr_sandbox *sandbox, wr_trust_fn fn,
                     void *data, struct wr_error *err)
{
    const char *pem = wr_egress_authority(server, err);
    char hash[WR_AUTHORITY_HASH + 1];
    wr_auto_buf body = WR_BUF(BODY_MAX);
    struct wr_jw w;

    if (!pem)
        return -err->code;
    if (!wr_authority_hash(pem, hash))
        return wr_fail(err, WR_E_INTERNAL, 0, "the egress authority has no certificate");
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "certificate", pem);
    wr_jw_kstr(&w, "hash", hash);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "trust of a sandbox");
    const struct trust plan = {.call.method = "PUT", .fn = fn, .data = data};
    return start(server, sandbox, &plan, &body, err);
}

int wr_trust_remove(struct wr_server *server, struct wr_sandbox *sandbox, wr_trust_fn fn,
                    void *data, struct wr_error *err)
{
    const struct trust plan = {.call.method = "DELETE", .fn = fn, .data = data};

    return start(server, sandbox, &plan, NULL, err);
}
