#include "client/request.h"

#include "base/clock.h"

#define MAX_JSON ((size_t)64 * 1024 * 1024)

struct state {
    struct wr_buf *body;
    bool done;
    bool too_large;
    int result;
    struct wr_error *err;
};

static void on_body(struct wr_client_call *call, const char *bytes, size_t len, void *data)
{
    struct state *state = data;

    (void)call;
    if (state->body && wr_buf_append(state->body, bytes, len) < 0)
        state->too_large = true;
}

static void on_end(struct wr_client_call *call, const struct wr_error *error, void *data)
{
    struct state *state = data;

    (void)call;
    state->done = true;
    if (error) {
        *state->err = *error;
        state->result = -error->code;
    }
}

int wr_client_request(struct wr_client *client, const struct wr_client_request *request,
                      uint64_t timeout_ms, struct wr_buf *ret_body, struct wr_error *err)
{
    static const struct wr_client_ops ops = {.on_body = on_body, .on_end = on_end};
    struct state state = {.body = ret_body, .err = err};
    struct wr_client_call *call = NULL;

    int r = wr_client_begin(client, request, &ops, &state, &call, err);
    if (r < 0)
        return r;
    uint64_t now = wr_mono_ms(), end = now + (timeout_ms ? timeout_ms : WR_CLIENT_TIMEOUT_MS);
    while (!state.done && !state.too_large && now < end) {
        r = wr_client_step(client, (int)WR_MIN(end - now, (uint64_t)1000000), err);
        if (r < 0)
            break;
        now = wr_mono_ms();
    }
    if (state.done && !state.too_large)
        return state.result;
    if (!state.done)
        wr_client_cancel(call);
    if (r < 0)
        return r;
    if (state.too_large)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%s %s: the answer is too large",
                       request->method, request->target);
    return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s %s: no answer in time", request->method,
                   request->target);
}

int wr_client_request_json(struct wr_client *client, const struct wr_client_request *request,
                           json_t **ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(MAX_JSON);
    json_t *json = NULL;

    int r = wr_client_request(client, request, 0, &body, err);
    if (r < 0)
        return r;
    if (body.len > 0) {
        /* Arrays as well: wr_json_parse() takes objects only. */
        json = json_loadb(wr_buf_ptr(&body), body.len, JSON_REJECT_DUPLICATES, NULL);
        if (!json)
            return wr_fail(err, WR_E_INTERNAL, 0, "%s %s: the answer is not JSON", request->method,
                           request->target);
    }
    *ret = json;
    return 0;
}
