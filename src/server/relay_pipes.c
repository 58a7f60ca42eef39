#include "server/relay_pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"

/* Of the process, which has one loop. */
static struct {
    struct wr_relay_pipe pipes[WR_RELAY_SPARE_PIPES];
    size_t count, users;
} spare;

static void close_pipe(struct wr_relay_pipe *pipe)
{
    pipe->read_fd = wr_close(pipe->read_fd);
    pipe->write_fd = wr_close(pipe->write_fd);
}

void wr_relay_pipes_hold(void)
{
    spare.users++;
}

void wr_relay_pipes_put(void)
{
    if (--spare.users > 0)
        return;
    while (spare.count > 0)
        close_pipe(&spare.pipes[--spare.count]);
}

int wr_relay_pipe_take(struct wr_relay_pipe *ret)
{
    int ends[2];

    if (spare.count > 0) {
        *ret = spare.pipes[--spare.count];
        return 0;
    }
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    /* A user above the limit on pipe memory keeps the size that the kernel chose: slower, not
     * wrong. */
    (void)fcntl(ends[0], F_SETPIPE_SZ, WR_RELAY_PIPE_SIZE);
    *ret = (struct wr_relay_pipe){.read_fd = ends[0], .write_fd = ends[1]};
    return 0;
}

void wr_relay_pipe_done(struct wr_relay_pipe *pipe, bool empty)
{
    if (pipe->read_fd < 0)
        return;
    if (empty && spare.count < WR_RELAY_SPARE_PIPES)
        spare.pipes[spare.count++] = *pipe;
    else
        close_pipe(pipe);
    pipe->read_fd = pipe->write_fd = -1;
}
