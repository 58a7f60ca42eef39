#include "agent/exec/output.h"

#include <errno.h>
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/fd.h"

enum read_result {
    READ_DATA = 0,
    READ_NOTHING = 1, /* not now */
    READ_END = 2,
};

static enum read_result read_chunk(struct wr_output *output)
{
    size_t want = output->stream == WR_STREAM_PTY ? WR_EXEC_PTY_CHUNK : WR_EXEC_CHUNK;
    wr_buf_clear(output->scratch);
    char *chunk = wr_buf_reserve(output->scratch, want);
    if (!chunk)
        return READ_NOTHING; /* the bytes stay in the pipe until there is memory again */
    ssize_t n = read(output->fd, chunk, want);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return READ_NOTHING;
    if (n <= 0) /* a pty reports its last close as EIO */
        return READ_END;
    output->ops->on_data(output, chunk, (size_t)n, output->owner);
    return READ_DATA;
}

static void on_readable(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_output *output = data;
    (void)source;
    (void)events;
    if (read_chunk(output) == READ_END) {
        wr_output_close(output);
        output->ops->on_end(output, output->owner);
    }
}

int wr_output_open(struct wr_output *output, struct wr_loop *loop, int fd, enum wr_stream stream,
                   struct wr_error *err)
{
    int rc = wr_source_add(loop, &output->source, fd, EPOLLIN, on_readable, output, err);
    if (rc < 0)
        return rc;
    output->loop = loop;
    output->fd = fd;
    output->stream = stream;
    return 0;
}

void wr_output_pause(struct wr_output *output, bool paused)
{
    if (output->fd < 0 || output->paused == paused)
        return;
    output->paused = paused;
    /* Taken out of epoll altogether: a hang-up is reported whatever the mask says and would spin
     * the loop. */
    if (paused) {
        wr_source_remove(&output->source);
        return;
    }
    struct wr_error err;
    if (wr_source_add(output->loop, &output->source, output->fd, EPOLLIN, on_readable, output,
                      &err) < 0) {
        /* Without memory for epoll the stream cannot go on; its end is better than silence. */
        wr_output_close(output);
        output->ops->on_end(output, output->owner);
    }
}

void wr_output_drain(struct wr_output *output)
{
    for (int i = 0; i < WR_EXEC_DRAIN_CHUNKS && output->fd >= 0; i++) {
        if (read_chunk(output) != READ_DATA)
            return;
    }
}

void wr_output_close(struct wr_output *output)
{
    wr_source_remove(&output->source);
    output->fd = wr_close(output->fd);
}
