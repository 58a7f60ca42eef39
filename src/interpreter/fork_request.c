#include "interpreter/fork_request.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "nest/zygote_protocol.h"
#include "sys/message.h"

void wr_fork_cancel(struct wr_fork_request *request)
{
    wr_source_remove(&request->source);
    request->fd = wr_close(request->fd);
}

static void on_reply(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_fork_request *request = data;
    struct wr_context_reply reply = {0};
    int result = -EPROTO;

    (void)source;
    (void)events;
    ssize_t n = recv(request->fd, &reply, sizeof(reply), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        result = -EAGAIN; /* the nest had no time for it, and closed with or without a look at it */
    if (n == (ssize_t)sizeof(reply) && reply.magic == WR_CONTEXT_MAGIC && reply.result <= 0)
        result = reply.result;
    wr_fork_cancel(request);
    request->fn(result, request->data);
}

/* Only what is outside of the pid namespace that the agent is the first process of has no number
 * there. In a sandbox that was restored from disk the address is free, so that anybody inside could
 * have taken it, and would get the descriptors of others' contexts. */
static bool is_inside(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || peer.pid != 0;
}

static int connect_nest(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = sizeof(WR_CONTEXT_SOCKET) - 1;

    memcpy(address.sun_path + 1, WR_CONTEXT_SOCKET, len);
    wr_auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address,
                (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + len)) < 0)
        return -errno;
    if (is_inside(fd))
        return -ECONNREFUSED;
    return wr_steal_fd(&fd);
}

int wr_fork_begin(struct wr_fork_request *request, struct wr_loop *loop,
                  const struct wr_language *language, const struct wr_user *user, const char *cwd,
                  const int fds[static 3])
{
    struct wr_error err;
    struct wr_context_request message = {.magic = WR_CONTEXT_MAGIC,
                                         .language = language->zygote,
                                         .uid = user->uid,
                                         .gid = user->gid};

    message.group_count = (uint32_t)WR_MIN(user->group_count, (size_t)WR_CONTEXT_MAX_GROUPS);
    for (size_t i = 0; i < message.group_count; i++)
        message.groups[i] = user->groups[i];
    if (!wr_strcopy(message.cwd, sizeof(message.cwd), cwd))
        return -ENAMETOOLONG;
    wr_auto_close int fd = connect_nest();
    if (fd < 0)
        return fd;
    int rc = wr_message_send(fd, &message, sizeof(message), fds, 3);
    if (rc < 0)
        return rc == -EPIPE || rc == -ECONNRESET ? -EAGAIN : rc;
    if (wr_source_add(loop, &request->source, fd, EPOLLIN, on_reply, request, &err) < 0)
        return -ENOMEM;
    request->fd = wr_steal_fd(&fd);
    return 0;
}
