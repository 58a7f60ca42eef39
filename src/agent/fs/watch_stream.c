#include "agent/fs/watch_stream.h"

#include "base/alloc.h"

#define EVENT_START "{\"filesystem\":"
#define START       "{\"start\":{}}"
#define KEEPALIVE   "{\"keepalive\":{}}"
#define MESSAGE_MAX (WR_WATCH_JSON_MAX + sizeof(EVENT_START) + 1)

/* Lives until its exchange is closed. */
struct watch_stream {
    struct wr_watcher watcher;
    struct wr_connect_out out;
    uint64_t keepalive_ms;
    uint64_t last_sent_ms;
    struct wr_timer keepalive;
    struct wr_timer timeout;
};

static void send_message(struct watch_stream *s, const char *json, size_t len)
{
    s->last_sent_ms = wr_loop_now_ms(wr_exchange_loop(s->out.ex));
    if (wr_connect_stream_message(&s->out, json, len) != WR_HTTP_MORE)
        wr_watcher_pause(&s->watcher, true);
}

static void stop(struct watch_stream *s)
{
    wr_watcher_close(&s->watcher);
    wr_timer_stop(&s->keepalive);
    wr_timer_stop(&s->timeout);
}

static void on_event(struct wr_watcher *watcher, enum wr_watch_type type, const char *name,
                     const char *json, size_t len)
{
    struct watch_stream *s = wr_container_of(watcher, struct watch_stream, watcher);
    wr_auto_buf message = WR_BUF(MESSAGE_MAX);

    (void)type;
    (void)name;
    if (wr_buf_append_str(&message, EVENT_START) < 0 || wr_buf_append(&message, json, len) < 0 ||
        wr_buf_append_char(&message, '}') < 0)
        wr_exchange_abort(s->out.ex); /* an event must not go missing silently */
    else
        send_message(s, wr_buf_ptr(&message), message.len);
}

static void on_failure(struct wr_watcher *watcher, const struct wr_error *error)
{
    struct watch_stream *s = wr_container_of(watcher, struct watch_stream, watcher);

    stop(s);
    wr_connect_stream_end(&s->out, error);
}

static void on_keepalive(struct wr_timer *timer, void *data)
{
    struct watch_stream *s = data;
    struct wr_loop *loop = wr_exchange_loop(s->out.ex);
    struct wr_error err;
    uint64_t silent_ms = wr_loop_now_ms(loop) - s->last_sent_ms;
    uint64_t next_ms = s->keepalive_ms;

    if (silent_ms < s->keepalive_ms)
        next_ms -= silent_ms; /* only the rest of the silence is left */
    else if (!s->watcher.paused)
        send_message(s, KEEPALIVE, sizeof(KEEPALIVE) - 1);
    (void)!wr_timer_start(loop, timer, next_ms, on_keepalive, s,
                          &err); /* has its place in the heap already */
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    struct watch_stream *s = data;
    struct wr_error err;

    (void)timer;
    (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0, "the deadline of this call has passed");
    stop(s);
    wr_connect_stream_end(&s->out, &err);
}

static void on_drain(struct wr_exchange *ex, void *data)
{
    struct watch_stream *s = data;

    (void)ex;
    wr_watcher_pause(&s->watcher, false);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct watch_stream *s = data;

    (void)ex;
    (void)aborted;
    stop(s);
    free(s);
}

static int start_timers(struct watch_stream *s, const struct wr_watch_stream_opts *opts,
                        struct wr_error *err)
{
    struct wr_loop *loop = wr_exchange_loop(s->out.ex);

    int rc = wr_timer_start(loop, &s->keepalive, opts->keepalive_ms, on_keepalive, s, err);
    if (rc == 0 && opts->timeout_ms > 0)
        rc = wr_timer_start(loop, &s->timeout, opts->timeout_ms, on_timeout, s, err);
    return rc;
}

int wr_watch_stream(struct wr_watchers *set, const struct wr_watch_request *request,
                    const struct wr_connect_out *out, const struct wr_watch_stream_opts *opts,
                    struct wr_error *err)
{
    static const struct wr_watcher_ops watcher_ops = {.on_event = on_event,
                                                      .on_failure = on_failure};
    static const struct wr_exchange_ops ops = {.on_drain = on_drain, .on_close = on_close};
    struct watch_stream *s = wr_calloc(1, sizeof(*s));

    if (!s)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a watcher");
    s->out = *out;
    s->keepalive_ms = opts->keepalive_ms;
    int rc = wr_watcher_open(&s->watcher, set, request, &watcher_ops, err);
    if (rc == 0)
        rc = start_timers(s, opts, err);
    if (rc < 0) {
        stop(s);
        free(s);
        return rc;
    }
    wr_exchange_set_ops(out->ex, &ops, s);
    wr_connect_stream_start(out);
    send_message(s, START, sizeof(START) - 1);
    return 0;
}
