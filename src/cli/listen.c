#include "cli/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/str.h"

#define BACKLOG 1024

static bool parse_host(const char *host, bool brackets, struct wr_listen_addr *addr)
{
    if (brackets) {
        addr->sa.v6.sin6_family = AF_INET6;
        addr->len = sizeof addr->sa.v6;
        return inet_pton(AF_INET6, host, &addr->sa.v6.sin6_addr) == 1;
    }
    addr->sa.v4.sin_family = AF_INET;
    addr->len = sizeof addr->sa.v4;
    return inet_pton(AF_INET, wr_streq(host, "localhost") ? "127.0.0.1" : host,
                     &addr->sa.v4.sin_addr) == 1;
}

static bool parse(const char *text, struct wr_listen_addr *addr)
{
    const char *colon = strrchr(text, ':');
    bool brackets = text[0] == '[';
    char host[INET6_ADDRSTRLEN];
    uint64_t port = 0;

    if (!colon || wr_parse_u64(colon + 1, 0, 65535, &port) < 0)
        return false;
    const char *start = brackets ? text + 1 : text;
    size_t len = (size_t)(colon - start);
    if (brackets && (colon == start || colon[-1] != ']'))
        return false;
    if (brackets)
        len--;
    if (len >= sizeof host)
        return false;
    memcpy(host, start, len);
    host[len] = '\0';
    if (!parse_host(host, brackets, addr))
        return false;
    if (brackets)
        addr->sa.v6.sin6_port = htons((uint16_t)port);
    else
        addr->sa.v4.sin_port = htons((uint16_t)port);
    return true;
}

int wr_listen_parse(const char *name, const char *text, struct wr_listen_addr *ret,
                    struct wr_error *err)
{
    struct wr_listen_addr addr = {0};

    if (text && !wr_streq(text, "off") && !parse(text, &addr))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%s: \"%.60s\" is not an address with a port such as 127.0.0.1:3000 or "
                       "[::1]:3000, and not \"off\"",
                       name, text);
    *ret = addr;
    return 0;
}

bool wr_listen_is_loopback(const struct wr_listen_addr *addr)
{
    if (addr->sa.any.sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&addr->sa.v6.sin6_addr);
    return ntohl(addr->sa.v4.sin_addr.s_addr) >> 24 == 127;
}

uint16_t wr_listen_port(const struct wr_listen_addr *addr)
{
    return ntohs(addr->sa.any.sa_family == AF_INET6 ? addr->sa.v6.sin6_port : addr->sa.v4.sin_port);
}

void wr_listen_format(const struct wr_listen_addr *addr, char out[static WR_LISTEN_TEXT_MAX])
{
    bool v6 = addr->sa.any.sa_family == AF_INET6;
    const void *ip = v6 ? (const void *)&addr->sa.v6.sin6_addr : &addr->sa.v4.sin_addr;
    char host[INET6_ADDRSTRLEN] = "";

    if (addr->len == 0 || !inet_ntop(addr->sa.any.sa_family, ip, host, sizeof host) ||
        !wr_strformat(out, WR_LISTEN_TEXT_MAX, v6 ? "[%s]:%u" : "%s:%u", host,
                      wr_listen_port(addr)))
        (void)!wr_strcopy(out, WR_LISTEN_TEXT_MAX, "off");
}

int wr_listen_open(const char *name, struct wr_listen_addr *addr, int *ret_fd, struct wr_error *err)
{
    wr_auto_close int fd =
        socket(addr->sa.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
    const int on = 1;
    char text[WR_LISTEN_TEXT_MAX];

    wr_listen_format(addr, text);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "%s: socket", name);
    /* [::] means IPv6 alone, so that it can stand beside 0.0.0.0 whatever the host's setting. */
    if (addr->sa.any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "%s: socket", name);
    if (bind(fd, &addr->sa.any, addr->len) < 0 || listen(fd, BACKLOG) < 0)
        return errno == EADDRINUSE
                   ? wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                             "%s: another program listens on %s; stop it, choose another address, "
                             "or \"off\"",
                             name, text)
                   : wr_fail_errno(err, wr_code_from_errno(errno), "%s: listen on %s", name, text);
    socklen_t len = sizeof addr->sa;
    if (getsockname(fd, &addr->sa.any, &len) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "%s: name of the socket", name);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}
