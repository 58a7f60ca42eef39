#include "interpreter/channels.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"

void wr_channels_close(struct wr_channels *channels)
{
    for (size_t i = 0; i < WR_CHANNELS; i++) {
        channels->ours[i] = wr_close(channels->ours[i]);
        channels->theirs[i] = wr_close(channels->theirs[i]);
    }
}

int wr_channels_open(struct wr_channels *ret, struct wr_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < WR_CHANNELS; i++)
        ret->ours[i] = ret->theirs[i] = -1;
    for (size_t i = 0; i < WR_CHANNELS && rc == 0; i++) {
        int pair[2] = {-1, -1};
        rc = i == 0 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair)
                    : pipe2(pair, O_CLOEXEC);
        rc = rc < 0 ? -errno : 0;
        ret->ours[i] = pair[0];
        ret->theirs[i] = pair[1];
        if (rc == 0 && i > 0)
            rc = wr_fd_set_nonblock(pair[0], true);
    }
    if (rc == 0)
        return 0;
    wr_channels_close(ret);
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "no socket or pipe for a runner");
}
