/*
 * What no sandbox reaches, whatever its policy allows: loopback, private, link-local, metadata,
 * multicast and reserved ranges, the addresses of this host, and Warren's own listeners. The
 * operator can open ranges (setting egress-open), which open metadata and host's addresses only
 * where they name exactly these; Warren's listeners stay closed.
 */
#pragma once

#include "base/error.h"
#include "server/egress/address.h"

struct wr_net_guard;

#define WR_GUARD_MAX_OPEN 256

/* `open` is the text of the setting: ranges separated by commas; NULL or "" opens nothing.
 * INVALID_ARGUMENT names the entry. */
int wr_guard_new(const char *open, struct wr_net_guard **ret, struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_net_guard *wr_guard_free(struct wr_net_guard *guard);
/* A socket on which this server listens: its port is closed on every address of this host, and on
 * that address. */
void wr_guard_close_listener(struct wr_net_guard *guard, int listen_fd);
/* Reads the addresses of this host's interfaces again; called from time to time. */
void wr_guard_refresh(struct wr_net_guard *guard);
/* NULL when the address may be reached as far as the guard is concerned, else why not, a static
 * string such as "link-local (169.254.0.0/16)". Addresses that carry an IPv4 address (mapped, NAT64
 * 64:ff9b::/96, 6to4) are judged by it too. `port` 0: of any port (answers of DNS). */
const char *wr_guard_check(const struct wr_net_guard *guard, const struct wr_ip *ip, uint16_t port);
