#include "interpreter/pipe_reader.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"
#include "interpreter/limits.h"

/* Bytes at the end that are the beginning of a character, by what its first byte promises. */
static size_t unfinished(const char *data, size_t len)
{
    for (size_t back = 1; back <= 3 && back <= len; back++) {
        unsigned char c = (unsigned char)data[len - back];
        if ((c & 0xc0) == 0x80)
            continue;
        size_t need = c >= 0xf0 && c <= 0xf4   ? 4
                      : c >= 0xe0 && c <= 0xef ? 3
                      : c >= 0xc2 && c <= 0xdf ? 2
                                               : 1;
        return need > back ? back : 0;
    }
    return 0;
}

bool wr_pipe_reader_read(struct wr_pipe_reader *reader)
{
    char bytes[sizeof(reader->tail) + WR_RUNNER_PIPE_READ];
    size_t kept = reader->tail_len;

    if (reader->fd < 0)
        return false;
    memcpy(bytes, reader->tail, kept);
    ssize_t n = read(reader->fd, bytes + kept, WR_RUNNER_PIPE_READ);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        reader->left = 0;
        return false;
    }
    if (n <= 0) {
        wr_pipe_reader_flush(reader);
        wr_pipe_reader_close(reader);
        return false;
    }
    size_t len = kept + (size_t)n;
    reader->left -= WR_MIN(reader->left, (size_t)n);
    reader->tail_len = unfinished(bytes, len);
    len -= reader->tail_len;
    memcpy(reader->tail, bytes + len, reader->tail_len);
    if (len > 0)
        reader->on_text(reader, bytes, len, reader->owner);
    return true;
}

void wr_pipe_reader_mark(struct wr_pipe_reader *reader)
{
    int there = 0;

    reader->left = 0;
    if (reader->fd >= 0 && ioctl(reader->fd, FIONREAD, &there) == 0 && there > 0)
        reader->left = (size_t)there;
}

void wr_pipe_reader_flush(struct wr_pipe_reader *reader)
{
    size_t len = reader->tail_len;

    reader->tail_len = 0;
    if (len > 0)
        reader->on_text(reader, reader->tail, len, reader->owner);
}

static void on_readable(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_pipe_reader *reader = data;

    (void)source;
    (void)events;
    reader->on_ready(reader, reader->owner);
}

int wr_pipe_reader_open(struct wr_pipe_reader *reader, struct wr_loop *loop, int fd,
                        struct wr_error *err)
{
    int rc = wr_source_add(loop, &reader->source, fd, EPOLLIN, on_readable, reader, err);

    if (rc < 0)
        return rc;
    reader->loop = loop;
    reader->fd = fd;
    return 0;
}

int wr_pipe_reader_pause(struct wr_pipe_reader *reader, bool paused, struct wr_error *err)
{
    /* Taken out of epoll altogether: a hang-up is reported whatever the mask says. */
    if (paused)
        wr_source_remove(&reader->source);
    else if (reader->fd >= 0 && !reader->source.loop)
        return wr_source_add(reader->loop, &reader->source, reader->fd, EPOLLIN, on_readable,
                             reader, err);
    return 0;
}

void wr_pipe_reader_close(struct wr_pipe_reader *reader)
{
    wr_source_remove(&reader->source);
    reader->fd = wr_close(reader->fd);
    reader->tail_len = 0;
    reader->left = 0;
}
