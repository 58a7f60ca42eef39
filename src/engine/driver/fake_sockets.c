#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "engine/driver/fake_faults.h"
#include "engine/driver/fake_instance.h"

static int open_egress_socket(int type)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const int on = 1;
    wr_auto_close int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        (type == SOCK_STREAM ? listen(fd, SOMAXCONN)
                             : setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on))) < 0)
        return -1;
    return wr_steal_fd(&fd);
}

/* Those for IPv4, as of a host without IPv6. */
static int open_egress(struct wr_egress_sockets *ret, struct wr_error *err)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};

    for (*ret = WR_EGRESS_SOCKETS_NONE; ret->count < WR_ARRAY_SIZE(types); ret->count++) {
        ret->fds[ret->count] = open_egress_socket(types[ret->count]);
        if (ret->fds[ret->count] < 0) {
            int rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open an egress socket");
            wr_egress_sockets_close(ret);
            return rc;
        }
    }
    return 0;
}

int wr_fake_sockets(struct wr_instance *instance, size_t count, int *ret_fds,
                    struct wr_egress_sockets *ret_egress, struct wr_error *err)
{
    size_t made = 0;
    int rc = wr_fake_fail(wr_fake_fault(instance->spec.env, WR_FAKE_SOCKETS), WR_FAKE_SOCKETS, err);

    for (; rc == 0 && made < count; made += rc == 0) {
        ret_fds[made] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (ret_fds[made] < 0)
            rc = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "open a socket");
    }
    if (rc == 0 && ret_egress)
        rc = open_egress(ret_egress, err);
    while (rc < 0 && made-- > 0)
        wr_close(ret_fds[made]);
    return rc;
}
