/*
 * Which resolvers the host uses: of a setting, or of a file in the form of resolv.conf(5), which is
 * read again when it has changed. Only its "nameserver" lines count: no search list is applied to
 * the names of sandboxes.
 */
#pragma once

#include <time.h>

#include "base/error.h"
#include "server/egress/address.h"

#define WR_NAME_SERVERS 3 /* used at most; further ones are left out, as glibc does */

struct wr_name_server {
    struct wr_ip address;
    uint16_t port;
};

struct wr_name_servers {
    struct wr_name_server list[WR_NAME_SERVERS];
    size_t count;
    /* private: */
    const char *path; /* NULL: the setting decides */
    uint64_t checked_ms;
    struct timespec changed;
};

/* `setting`: "address[:port],..." with IPv6 addresses in brackets where a port follows; NULL or "":
 * `path` (borrowed, usually "/etc/resolv.conf") decides, and without it 127.0.0.1 as in glibc.
 * INVALID_ARGUMENT names the entry. */
int wr_name_servers_init(struct wr_name_servers *servers, const char *setting, const char *path,
                         struct wr_error *err) WR_MUST_CHECK;
/* Looks at the file at most once a second. */
void wr_name_servers_refresh(struct wr_name_servers *servers, uint64_t now_ms);
