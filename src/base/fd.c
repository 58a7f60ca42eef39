#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void wr_close_ptr(const int *fd)
{
    (void)wr_close(*fd);
}

int wr_close(int fd)
{
    if (fd >= 0) {
        int saved = errno;
        /* On Linux the descriptor is gone whatever close() says; there is nothing to retry. */
        (void)close(fd);
        errno = saved;
    }
    return -1;
}

int wr_steal_fd(int *fd)
{
    int stolen = *fd;
    *fd = -1;
    return stolen;
}

int wr_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = write(fd, p, len);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            return -EIO;
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

ssize_t wr_read_full(int fd, void *data, size_t len)
{
    char *p = data;
    size_t got = 0;
    while (got < len) {
        ssize_t n = read(fd, p + got, len - got);
        if (n < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (n == 0)
            break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

static int set_flag(int fd, int get, int set, int flag, bool on)
{
    int flags = fcntl(fd, get);
    if (flags < 0)
        return -errno;
    int wanted = on ? flags | flag : flags & ~flag;
    if (wanted != flags && fcntl(fd, set, wanted) < 0)
        return -errno;
    return 0;
}

int wr_fd_set_nonblock(int fd, bool on)
{
    return set_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int wr_fd_set_cloexec(int fd, bool on)
{
    return set_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}
