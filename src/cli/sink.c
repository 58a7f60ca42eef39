#include "cli/sink.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

void wr_sink_init(struct wr_sink *sink, struct wr_loop *loop, int fd,
                  void (*on_drain)(struct wr_sink *sink, void *data), void *data)
{
    *sink = (struct wr_sink){.loop = loop, .fd = fd, .on_drain = on_drain, .data = data};
    wr_buf_init(&sink->buf, WR_SINK_MAX);
}

void wr_sink_done(struct wr_sink *sink)
{
    wr_source_remove(&sink->source);
    wr_buf_done(&sink->buf);
}

/* A pipe that is writable has room for PIPE_BUF bytes, so such a write does not block. Bytes taken,
 * 0 when it would block. */
static size_t write_some(struct wr_sink *sink, const char *bytes, size_t len, int timeout_ms)
{
    size_t done = 0;

    while (done < len && !sink->broken) {
        struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};
        int r = poll(&poll_fd, 1, timeout_ms);
        if (r < 0 && errno == EINTR)
            continue;
        if (r == 0)
            break;
        ssize_t n = write(sink->fd, bytes + done, WR_MIN(len - done, (size_t)PIPE_BUF));
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0 && errno != EINTR)
            sink->broken = true;
        if (n > 0)
            done += (size_t)n;
    }
    return sink->broken ? len : done;
}

static void on_writable(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_sink *sink = data;

    (void)source;
    (void)events;
    wr_buf_consume(&sink->buf, write_some(sink, wr_buf_ptr(&sink->buf), sink->buf.len, 0));
    if (sink->buf.len > 0)
        return;
    wr_source_remove(&sink->source);
    if (sink->on_drain)
        sink->on_drain(sink, sink->data);
}

bool wr_sink_write(struct wr_sink *sink, const void *bytes, size_t len)
{
    struct wr_error error = {0};
    size_t done = sink->buf.len == 0 ? write_some(sink, bytes, len, 0) : 0;

    if (done == len)
        return true;
    if (wr_buf_append(&sink->buf, (const char *)bytes + done, len - done) < 0) {
        /* Pausing keeps it far below the maximum; without memory waiting is all that is left. */
        wr_sink_flush(sink);
        (void)write_some(sink, (const char *)bytes + done, len - done, -1);
        return true;
    }
    if (!sink->source.loop &&
        wr_source_add(sink->loop, &sink->source, sink->fd, EPOLLOUT, on_writable, sink, &error) < 0)
        wr_sink_flush(sink);
    return sink->buf.len < WR_SINK_HIGH;
}

void wr_sink_flush(struct wr_sink *sink)
{
    while (sink->buf.len > 0)
        wr_buf_consume(&sink->buf, write_some(sink, wr_buf_ptr(&sink->buf), sink->buf.len, -1));
    wr_source_remove(&sink->source);
}
