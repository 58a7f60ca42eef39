/* Addresses that the server listens on, and the sockets. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/error.h"

struct wr_listen_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } sa;
    socklen_t len; /* 0: "off" */
};

#define WR_LISTEN_TEXT_MAX 64 /* "[<IPv6 address>]:65535" */

/* "127.0.0.1:3000", "[::1]:3000", "localhost:3000", or "off" (also NULL). No names: nothing is
 * looked up. Port 0: the kernel chooses. `name` begins the text of an error. */
int wr_listen_parse(const char *name, const char *text, struct wr_listen_addr *ret,
                    struct wr_error *err) WR_MUST_CHECK;
bool wr_listen_is_loopback(const struct wr_listen_addr *addr);
/* A listening TCP socket (close-on-exec, non-blocking). Writes the real port into *addr. */
int wr_listen_open(const char *name, struct wr_listen_addr *addr, int *ret_fd, struct wr_error *err)
    WR_MUST_CHECK;
uint16_t wr_listen_port(const struct wr_listen_addr *addr);
/* As wr_listen_parse() reads it. */
void wr_listen_format(const struct wr_listen_addr *addr, char out[static WR_LISTEN_TEXT_MAX]);
