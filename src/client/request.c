#include "client/request.h"

#include "base/clock.h"

#define MAX_JSON ((size_t)64 * 1024 * 1024)

struct state {
    const struct wr_transport_want *want;
    bool done;
    bool too_large;
    int result;
    struct wr_error *err;
};

static void on_head(struct wr_transport_call *call, const struct wr_h1_head *head, void *data)
{
    const struct wr_transport_want *want = ((struct state *)data)->want;

    (void)call;
    wr_answer_fields_read(want->fields, want->field_count, head);
}

static void on_body(struct wr_transport_call *call, const char *bytes, size_t len, void *data)
{
    struct state *state = data;

    (void)call;
    if (state->want->body && wr_buf_append(state->want->body, bytes, len) < 0)
        state->too_large = true;
}

static void on_end(struct wr_transport_call *call, const struct wr_error *error, void *data)
{
    struct state *state = data;

    (void)call;
    state->done = true;
    if (error) {
        *state->err = *error;
        state->result = -error->code;
    }
}

int wr_transport_ask(struct wr_transport *transport, const struct wr_transport_request *request,
                     const struct wr_transport_want *want, struct wr_error *err)
{
    static const struct wr_transport_ops ops = {
        .on_head = on_head, .on_body = on_body, .on_end = on_end};
    struct state state = {.want = want, .err = err};
    struct wr_transport_call *call = NULL;

    int r = wr_transport_begin(transport, request, &ops, &state, &call, err);
    if (r < 0)
        return r;
    uint64_t now = wr_mono_ms();
    uint64_t end = wr_mono_end_ms(want->timeout_ms ? want->timeout_ms : WR_TRANSPORT_TIMEOUT_MS);
    while (!state.done && !state.too_large && now < end) {
        r = wr_transport_step(transport, (int)WR_MIN(end - now, (uint64_t)1000000), err);
        if (r < 0)
            break;
        now = wr_mono_ms();
    }
    if (state.done && !state.too_large)
        return state.result;
    if (!state.done)
        wr_transport_cancel(call);
    if (r < 0)
        return r;
    if (state.too_large)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%s %s: the answer is too large",
                       request->method, request->target);
    return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s %s: no answer in time", request->method,
                   request->target);
}

int wr_transport_request(struct wr_transport *transport, const struct wr_transport_request *request,
                         uint64_t timeout_ms, struct wr_buf *ret_body, struct wr_error *err)
{
    const struct wr_transport_want want = {.timeout_ms = timeout_ms, .body = ret_body};

    return wr_transport_ask(transport, request, &want, err);
}

int wr_transport_request_json(struct wr_transport *transport,
                              const struct wr_transport_request *request, json_t **ret,
                              struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(MAX_JSON);
    json_t *json = NULL;

    int r = wr_transport_request(transport, request, 0, &body, err);
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
