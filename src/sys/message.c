#include "sys/message.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

#define FDS_SIZE (WR_MESSAGE_MAX_FDS * sizeof(int))

/* Aligned for the header, as CMSG_FIRSTHDR expects. */
union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(FDS_SIZE)];
};

int wr_message_send(int sock, const void *data, size_t len, const int *fds, size_t fd_count)
{
    /* An empty message would look like the end of the stream. */
    if (len == 0 || fd_count > WR_MESSAGE_MAX_FDS)
        return -EINVAL;
    struct iovec iov = {.iov_len = len};
    memcpy(&iov.iov_base, &data, sizeof(data)); /* sendmsg does not write to it */
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    union control control = {0};
    if (fd_count > 0) {
        size_t size = fd_count * sizeof(int);
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(cmsg), fds, size);
    }
    ssize_t n = 0;
    do {
        n = sendmsg(sock, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : 0;
}

/* Collects the descriptors of all SCM_RIGHTS headers; what does not fit is closed. */
static size_t take_fds(struct msghdr *msg, int fds[static WR_MESSAGE_MAX_FDS])
{
    size_t count = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (count < WR_MESSAGE_MAX_FDS)
                fds[count++] = fd;
            else
                (void)wr_close(fd);
        }
    }
    return count;
}

ssize_t wr_message_recv(int sock, void *data, size_t cap, int fds[static WR_MESSAGE_MAX_FDS],
                        size_t *ret_fd_count)
{
    struct iovec iov = {.iov_base = data, .iov_len = cap};
    union control control = {0};
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control.space),
    };
    ssize_t n = 0;
    do {
        n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;

    int received[WR_MESSAGE_MAX_FDS];
    size_t count = take_fds(&msg, received);
    bool lost_fds = msg.msg_flags & MSG_CTRUNC;
    bool truncated = (msg.msg_flags & MSG_TRUNC) || (lost_fds && count == WR_MESSAGE_MAX_FDS);
    if (truncated || lost_fds || n == 0) {
        for (size_t i = 0; i < count; i++)
            (void)wr_close(received[i]);
        count = 0;
    }
    if (truncated)
        return -EMSGSIZE;
    memcpy(fds, received, count * sizeof(int));
    *ret_fd_count = count;
    return n;
}

int wr_message_pair(int ret_socks[static 2])
{
    int socks[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
        return -errno;
    ret_socks[0] = socks[0];
    ret_socks[1] = socks[1];
    return 0;
}
