/* The sockets that take what leaves a sandbox, as the nest passes them: asked for, checked, handed
 * on. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/native.h"

#define ANSWER_TIMEOUT_MS 10000

static const struct kind {
    int domain, type, protocol, listens;
    uint16_t port;
} kinds[WR_NEST_EGRESS_SOCKETS] = {
    {AF_INET, SOCK_STREAM, IPPROTO_TCP, 1, WR_EGRESS_TCP_PORT},
    {AF_INET, SOCK_DGRAM, IPPROTO_UDP, 0, WR_EGRESS_DNS_PORT},
    {AF_INET6, SOCK_STREAM, IPPROTO_TCP, 1, WR_EGRESS_TCP_PORT},
    {AF_INET6, SOCK_DGRAM, IPPROTO_UDP, 0, WR_EGRESS_DNS_PORT},
};

static bool option_is(int fd, int name, int wanted)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 && value == wanted;
}

static bool bound_as(int fd, const struct kind *kind)
{
    const struct in6_addr ip6 = WR_EGRESS_IP6;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof(address);

    if (getsockname(fd, &address.any, &len) < 0 || address.any.sa_family != kind->domain)
        return false;
    if (kind->domain == AF_INET)
        return address.v4.sin_port == htons(kind->port) &&
               address.v4.sin_addr.s_addr == htonl(WR_EGRESS_IP4);
    return address.v6.sin6_port == htons(kind->port) &&
           memcmp(&address.v6.sin6_addr, &ip6, sizeof(ip6)) == 0;
}

static bool lives_in(int fd, const struct stat *ns)
{
    struct stat st;
    wr_auto_close int own = ioctl(fd, SIOCGSKNS);

    return own >= 0 && fstat(own, &st) == 0 && st.st_ino == ns->st_ino && st.st_dev == ns->st_dev;
}

static bool is_kind(int fd, const struct kind *kind, const struct stat *ns)
{
    const int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK) && option_is(fd, SO_DOMAIN, kind->domain) &&
           option_is(fd, SO_TYPE, kind->type) && option_is(fd, SO_PROTOCOL, kind->protocol) &&
           option_is(fd, SO_ACCEPTCONN, kind->listens) && bound_as(fd, kind) && lives_in(fd, ns);
}

int wr_egress_check(const struct wr_egress_sockets *sockets, int ns_fd, struct wr_error *err)
{
    struct stat ns;
    bool ok = fstat(ns_fd, &ns) == 0 && (sockets->count == 0 || sockets->count == 2 ||
                                         sockets->count == WR_NEST_EGRESS_SOCKETS);

    for (size_t i = 0; ok && i < sockets->count; i++)
        ok = is_kind(sockets->fds[i], &kinds[i], &ns);
    return ok ? 0
              : wr_fail(err, WR_E_INTERNAL, 0,
                        "the nest passed something else than a sandbox's egress sockets");
}

void wr_egress_drop(struct wr_egress_sockets *sockets)
{
    for (size_t i = 0; i < sockets->count; i++)
        wr_close(sockets->fds[i]);
    *sockets = WR_EGRESS_SOCKETS_NONE;
}

static void answer(struct wr_instance *instance, const struct wr_egress_sockets *egress,
                   const struct wr_error *error)
{
    wr_timer_stop(&instance->egress_deadline);
    if (instance->owner)
        instance->driver->callbacks.on_egress(instance->owner, egress, error);
}

static void on_answer(void *data, const struct wr_nest_sandbox *sandbox,
                      const struct wr_error *error)
{
    WR_CLEANUP(wr_egress_drop)
    struct wr_egress_sockets egress = sandbox ? sandbox->egress : WR_EGRESS_SOCKETS_NONE;
    struct wr_instance *instance = data;
    struct wr_error err;

    if (!error && wr_egress_check(&egress, instance->ns_fd, &err) < 0)
        error = &err;
    answer(instance, error ? NULL : &egress, error);
}

static void on_deadline(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_error err;

    (void)timer;
    if (instance->nest)
        wr_nest_link_forget(instance->nest, instance);
    (void)wr_fail(&err, WR_E_DEADLINE_EXCEEDED, 0,
                  "the nest did not tell the sandbox's egress sockets within %d s",
                  ANSWER_TIMEOUT_MS / 1000);
    answer(instance, NULL, &err);
}

int wr_instance_egress(struct wr_instance *instance, struct wr_error *err)
{
    int rc = wr_timer_start(instance->driver->loop, &instance->egress_deadline, ANSWER_TIMEOUT_MS,
                            on_deadline, instance, err);

    if (rc == 0)
        rc = wr_nest_link_egress(instance->nest, instance->kit->id, on_answer, instance, err);
    if (rc < 0)
        wr_timer_stop(&instance->egress_deadline);
    return rc;
}
