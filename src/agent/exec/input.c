#include "agent/exec/input.h"

#include <errno.h>
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "rpc/connect.h"

/* A SendInput call whose bytes found no room yet. Lives until its exchange is closed. */
struct waiter {
    struct wr_list link; /* unlinked once answered */
    struct wr_input *input;
    struct wr_exchange *ex;
    struct wr_buf data;
};

static void unlink_waiter(struct waiter *w)
{
    if (!wr_list_linked(&w->link))
        return;
    wr_list_remove(&w->link);
    *w->input->waiting_bytes -= w->data.len;
    wr_buf_done(&w->data);
}

/* The peer went away before its bytes were accepted, or the answer is out. What it sent and was not
 * queued yet is dropped. */
static void on_waiter_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct waiter *w = data;
    (void)ex;
    (void)aborted;
    unlink_waiter(w);
    free(w);
}

void wr_input_init(struct wr_input *input, struct wr_loop *loop, int fd, size_t *waiting_bytes)
{
    *input = (struct wr_input){.loop = loop, .fd = fd, .waiting_bytes = waiting_bytes};
    wr_buf_init(&input->queue, WR_EXEC_INPUT_QUEUE);
    wr_list_init(&input->waiters);
}

/* Ends the input; whoever still waits is told why. */
static void shut(struct wr_input *input, const char *why)
{
    wr_source_remove(&input->source);
    input->fd = wr_close(input->fd);
    wr_buf_done(&input->queue);
    while (!wr_list_empty(&input->waiters)) {
        struct waiter *w = wr_list_entry(input->waiters.next, struct waiter, link);
        struct wr_error err;
        (void)wr_fail(&err, WR_E_INTERNAL, 0, "error writing to stdin: %s", why);
        unlink_waiter(w);
        wr_connect_reply_error(w->ex, &err); /* `w` may be gone after this */
    }
}

void wr_input_done(struct wr_input *input)
{
    if (input->loop)
        shut(input, "the process has ended");
}

/* Moves waiting bytes into the queue, oldest call first, and answers the calls that are through. */
static void admit_waiters(struct wr_input *input)
{
    while (!wr_list_empty(&input->waiters)) {
        struct waiter *w = wr_list_entry(input->waiters.next, struct waiter, link);
        size_t take = WR_MIN(w->data.len, wr_buf_room(&input->queue));
        if (take == 0 && w->data.len > 0)
            return;
        if (wr_buf_append(&input->queue, wr_buf_ptr(&w->data), take) < 0)
            return; /* no memory now; pump() tries again after the next write */
        wr_buf_consume(&w->data, take);
        *input->waiting_bytes -= take;
        if (w->data.len > 0)
            return;
        struct wr_exchange *ex = w->ex;
        unlink_waiter(w);
        wr_connect_reply(ex, NULL, 0);
    }
}

/* Writes what the pipe takes. 0, or a negative errno when it is broken. */
static int write_queue(struct wr_input *input)
{
    while (input->queue.len > 0) {
        ssize_t n = write(input->fd, wr_buf_ptr(&input->queue), input->queue.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? 0 : -errno;
        wr_buf_consume(&input->queue, (size_t)n);
    }
    return 0;
}

static void pump(struct wr_input *input);

static void on_writable(struct wr_source *source, uint32_t events, void *data)
{
    (void)source;
    (void)events;
    pump(data);
}

static void pump(struct wr_input *input)
{
    int rc = write_queue(input);
    if (rc == 0)
        admit_waiters(input);
    if (rc == 0 && input->queue.len == 0 && !wr_list_empty(&input->waiters))
        rc = -ENOMEM; /* the queue could not take even the first waiting byte */
    if (rc < 0) {
        shut(input, wr_errno_text(-rc));
        return;
    }
    if (input->queue.len > 0) {
        struct wr_error err;
        if (!input->source.loop && wr_source_add(input->loop, &input->source, input->fd, EPOLLOUT,
                                                 on_writable, input, &err) < 0)
            shut(input, err.msg);
        return;
    }
    wr_source_remove(&input->source);
    wr_buf_trim(&input->queue, 0);
    if (input->closing)
        input->fd = wr_close(input->fd);
}

static int wait_for_room(struct wr_input *input, struct wr_exchange *ex, const char *data,
                         size_t len, struct wr_error *err)
{
    static const struct wr_exchange_ops ops = {.on_close = on_waiter_close};

    if (*input->waiting_bytes + len > WR_EXEC_INPUT_WAITING) {
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "more than %zu MiB of input wait to be read by processes; send less at once",
                       (size_t)(WR_EXEC_INPUT_WAITING / WR_MIB));
    }
    struct waiter *w = wr_calloc(1, sizeof(*w));
    if (!w)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
    w->input = input;
    w->ex = ex;
    wr_buf_init(&w->data, len);
    if (wr_buf_append(&w->data, data, len) < 0) {
        free(w);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
    }
    *input->waiting_bytes += len;
    wr_list_append(&input->waiters, &w->link);
    wr_exchange_set_ops(ex, &ops, w);
    return 0;
}

int wr_input_send(struct wr_input *input, struct wr_exchange *ex, const char *data, size_t len,
                  struct wr_error *err)
{
    if (input->fd < 0 || input->closing)
        return wr_fail(err, WR_E_INTERNAL, 0, "stdin not enabled or closed");

    if (wr_list_empty(&input->waiters) && len <= wr_buf_room(&input->queue)) {
        if (wr_buf_append(&input->queue, data, len) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
        pump(input);
        if (input->fd < 0) {
            return wr_fail(err, WR_E_INTERNAL, 0,
                           "error writing to stdin: the process does not read it any more");
        }
        wr_connect_reply(ex, NULL, 0);
        return 0;
    }
    int rc = wait_for_room(input, ex, data, len, err);
    if (rc == 0)
        pump(input);
    return rc;
}

void wr_input_close(struct wr_input *input)
{
    if (input->fd < 0)
        return;
    input->closing = true;
    pump(input);
}
