#include "agent/exec/subscriber.h"

#include "agent/exec/events.h"
#include "agent/exec/limits.h"
#include "base/alloc.h"

/* Lives until its exchange is closed; leaves the process's list earlier, when its stream ends. */
struct subscriber {
    struct wr_list link;
    struct wr_process *process; /* NULL once detached */
    struct wr_connect_out out;
    bool is_starter;
    bool blocked;
    uint64_t keepalive_ms;
    uint64_t last_sent_ms;
    struct wr_timer keepalive;
    struct wr_timer timeout;
};

static void set_blocked(struct subscriber *s, bool blocked)
{
    if (s->blocked == blocked)
        return;
    s->blocked = blocked;
    s->process->blocked_count += blocked ? 1 : (size_t)-1;
    wr_process_update_flow(s->process);
}

static void detach(struct subscriber *s)
{
    wr_timer_stop(&s->keepalive);
    wr_timer_stop(&s->timeout);
    if (!s->process)
        return;
    wr_list_remove(&s->link);
    s->process->subscriber_count--;
    set_blocked(s, false);
    s->process = NULL;
}

/* Sends the table's scratch message. */
static void send_message(struct subscriber *s)
{
    const struct wr_buf *message = &s->process->table->message;
    s->last_sent_ms = wr_loop_now_ms(s->process->table->loop);
    if (wr_connect_stream_message(&s->out, wr_buf_ptr(message), message->len) == WR_HTTP_FULL)
        set_blocked(s, true);
}

static void end_stream(struct subscriber *s, const struct wr_error *error)
{
    const struct wr_connect_out out = s->out;
    detach(s);
    wr_connect_stream_end(&out, error);
}

static void on_drain(struct wr_exchange *ex, void *data)
{
    struct subscriber *s = data;
    (void)ex;
    if (s->process)
        set_blocked(s, false);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct subscriber *s = data;
    (void)ex;
    (void)aborted; /* a client that leaves never ends the process */
    detach(s);
    free(s);
}

static const struct wr_exchange_ops exchange_ops = {.on_drain = on_drain, .on_close = on_close};

static void on_keepalive(struct wr_timer *timer, void *data)
{
    struct subscriber *s = data;
    struct wr_loop *loop = s->process->table->loop;
    struct wr_error err;
    uint64_t silent_ms = wr_loop_now_ms(loop) - s->last_sent_ms;
    uint64_t next_ms = s->keepalive_ms;

    if (silent_ms < s->keepalive_ms) {
        next_ms -= silent_ms; /* data went out meanwhile: only the rest of the silence is left */
    } else if (!s->blocked && wr_event_keepalive(&s->process->table->message) == 0) {
        send_message(s);
    }
    (void)!wr_timer_start(loop, timer, next_ms, on_keepalive, s,
                          &err); /* has its place in the heap already */
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    struct wr_error err;
    (void)timer;
    (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0, "the deadline of this call has passed");
    end_stream(data, &err);
}

static int start_timers(struct subscriber *s, const struct wr_subscriber_opts *opts,
                        struct wr_error *err)
{
    struct wr_loop *loop = s->process->table->loop;
    int rc = wr_timer_start(loop, &s->keepalive, opts->keepalive_ms, on_keepalive, s, err);
    if (rc == 0 && opts->timeout_ms > 0)
        rc = wr_timer_start(loop, &s->timeout, opts->timeout_ms, on_timeout, s, err);
    return rc;
}

static void send_end(struct subscriber *s)
{
    struct wr_error err;
    if (wr_event_end(&s->process->table->message, &s->process->exit) < 0) {
        (void)wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the end event");
        end_stream(s, &err);
        return;
    }
    send_message(s);
    end_stream(s, NULL);
}

int wr_subscriber_new(struct wr_process *process, const struct wr_connect_out *out,
                      const struct wr_subscriber_opts *opts, struct wr_error *err)
{
    if (process->subscriber_count >= WR_EXEC_MAX_SUBSCRIBERS) {
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "process %d has %d readers already",
                       process->pid, WR_EXEC_MAX_SUBSCRIBERS);
    }
    struct subscriber *s = wr_calloc(1, sizeof(*s));
    if (!s || wr_event_start(&process->table->message, process->pid) < 0) {
        free(s);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a reader");
    }
    s->process = process;
    s->out = *out;
    s->is_starter = opts->is_starter;
    s->keepalive_ms = opts->keepalive_ms;
    wr_list_append(&process->subscribers, &s->link);
    process->subscriber_count++;
    int rc = start_timers(s, opts, err);
    if (rc < 0) {
        detach(s);
        free(s);
        return rc;
    }

    wr_exchange_set_ops(out->ex, &exchange_ops, s);
    wr_connect_stream_start(out);
    send_message(s);
    if (process->ended)
        send_end(s);
    return 0;
}

void wr_subscribers_data(struct wr_process *process, enum wr_stream stream, const char *data,
                         size_t len)
{
    if (wr_list_empty(&process->subscribers))
        return;
    if (wr_event_data(&process->table->message, stream, data, len) < 0) {
        /* Bytes must not go missing silently: without memory the readers are cut off. */
        wr_subscribers_abort(process);
        return;
    }
    wr_list_foreach(it, &process->subscribers)
        send_message(wr_list_entry(it, struct subscriber, link));
}

void wr_subscribers_end(struct wr_process *process)
{
    wr_list_foreach(it, &process->subscribers)
        send_end(wr_list_entry(it, struct subscriber, link));
}

void wr_subscribers_deadline(struct wr_process *process)
{
    struct wr_error err;
    (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0,
                  "the deadline of process %d has passed; it was killed", process->pid);
    wr_list_foreach(it, &process->subscribers) {
        struct subscriber *s = wr_list_entry(it, struct subscriber, link);
        if (s->is_starter)
            end_stream(s, &err);
    }
}

void wr_subscribers_abort(struct wr_process *process)
{
    wr_list_foreach(it, &process->subscribers) {
        struct subscriber *s = wr_list_entry(it, struct subscriber, link);
        struct wr_exchange *ex = s->out.ex;
        detach(s);
        wr_exchange_abort(ex);
    }
}
