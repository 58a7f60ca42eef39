#include "agent/exec/input.h"

#include <errno.h>
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/fd.h"

void wr_input_write_cancel(struct wr_input_write *write)
{
    if (!wr_list_linked(&write->link))
        return;
    wr_list_remove(&write->link);
    *write->input->waiting_bytes -= write->data.len;
    wr_buf_done(&write->data);
}

void wr_input_init(struct wr_input *input, struct wr_loop *loop, int fd, size_t *waiting_bytes)
{
    *input = (struct wr_input){.loop = loop, .fd = fd, .waiting_bytes = waiting_bytes};
    wr_buf_init(&input->queue, WR_EXEC_INPUT_QUEUE);
    wr_list_init(&input->writes);
}

static struct wr_input_write *first_write(struct wr_input *input)
{
    return wr_list_entry(input->writes.next, struct wr_input_write, link);
}

/* Ends the input; whoever still waits is told why. */
static void shut(struct wr_input *input, const char *why)
{
    wr_source_remove(&input->source);
    input->fd = wr_close(input->fd);
    wr_buf_done(&input->queue);
    while (!wr_list_empty(&input->writes)) {
        struct wr_input_write *w = first_write(input);
        struct wr_error err;
        (void)wr_fail(&err, WR_E_INTERNAL, 0, "error writing to stdin: %s", why);
        wr_input_write_cancel(w);
        w->done(w, &err); /* `w` may be gone after this */
    }
}

void wr_input_done(struct wr_input *input)
{
    if (input->loop)
        shut(input, "the process has ended");
}

/* Moves waiting bytes into the queue, oldest write first, and tells the senders that are through.
 */
static void admit_writes(struct wr_input *input)
{
    while (!wr_list_empty(&input->writes)) {
        struct wr_input_write *w = first_write(input);
        size_t take = WR_MIN(w->data.len, wr_buf_room(&input->queue));
        if (take == 0 && w->data.len > 0)
            return;
        if (wr_buf_append(&input->queue, wr_buf_ptr(&w->data), take) < 0)
            return; /* no memory now; pump() tries again after the next write */
        wr_buf_consume(&w->data, take);
        *input->waiting_bytes -= take;
        if (w->data.len > 0)
            return;
        wr_input_write_cancel(w);
        w->done(w, NULL);
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

/* Has pump() called when the pipe takes bytes again. */
static int arm(struct wr_input *input, struct wr_error *err)
{
    return input->source.loop ? 0
                              : wr_source_add(input->loop, &input->source, input->fd, EPOLLOUT,
                                              on_writable, input, err);
}

static void pump(struct wr_input *input)
{
    struct wr_error err;
    int rc = write_queue(input);

    if (rc == 0)
        admit_writes(input);
    if (rc == 0 && input->queue.len == 0 && !wr_list_empty(&input->writes))
        rc = -ENOMEM; /* the queue could not take even the first waiting byte */
    if (rc < 0) {
        shut(input, wr_errno_text(-rc));
        return;
    }
    if (input->queue.len > 0) {
        if (arm(input, &err) < 0)
            shut(input, err.msg);
        return;
    }
    wr_source_remove(&input->source);
    wr_buf_trim(&input->queue, 0);
    if (input->closing)
        input->fd = wr_close(input->fd);
}

/* Queues what there is room for; the rest waits behind what waits already. */
static int wait_for_room(struct wr_input *input, struct wr_input_write *write, const char *data,
                         size_t len, struct wr_error *err)
{
    size_t take = wr_list_empty(&input->writes) ? wr_buf_room(&input->queue) : 0;

    if (*input->waiting_bytes + len - take > WR_EXEC_INPUT_WAITING) {
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "more than %zu MiB of input wait to be read by processes; send less at once",
                       (size_t)(WR_EXEC_INPUT_WAITING / WR_MIB));
    }
    int rc = arm(input, err);
    if (rc < 0)
        return rc;
    wr_buf_init(&write->data, len - take);
    if (wr_buf_append(&write->data, data + take, len - take) < 0 ||
        wr_buf_append(&input->queue, data, take) < 0) {
        wr_buf_done(&write->data);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
    }
    write->input = input;
    *input->waiting_bytes += len - take;
    wr_list_append(&input->writes, &write->link);
    return 1;
}

int wr_input_send(struct wr_input *input, struct wr_input_write *write, const char *data,
                  size_t len, struct wr_error *err)
{
    if (input->fd < 0 || input->closing)
        return wr_fail(err, WR_E_INTERNAL, 0, "stdin not enabled or closed");
    if (!wr_list_empty(&input->writes) || len > wr_buf_room(&input->queue))
        return wait_for_room(input, write, data, len, err);
    if (wr_buf_append(&input->queue, data, len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the input");
    pump(input);
    if (input->fd < 0) {
        return wr_fail(err, WR_E_INTERNAL, 0,
                       "error writing to stdin: the process does not read it any more");
    }
    return 0;
}

void wr_input_close(struct wr_input *input)
{
    if (input->fd < 0)
        return;
    input->closing = true;
    pump(input);
}
