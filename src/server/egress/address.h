/*
 * IP addresses and ranges. An IPv4 address is kept in its IPv4-mapped form (RFC 4291 2.5.5.2), so
 * that one address has one spelling and one comparison.
 */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>

#include "base/base.h"

#define WR_IP_TEXT       46 /* bytes of a printed address with NUL */
#define WR_IP_RANGE_TEXT 50 /* with "/128" */

struct wr_ip {
    unsigned char bytes[16];
};

struct wr_ip_range {
    struct wr_ip base; /* bits behind the prefix are 0 */
    uint8_t prefix;    /* counts all 128 bits: 0.0.0.0/0 is ::ffff:0:0/96 */
};

/* Strict texts as inet_pton() has them: "1.2.3.4", "2001:db8::1"; no zone, port or bracket. */
bool wr_ip_parse(const char *text, struct wr_ip *ret) WR_MUST_CHECK;
/* An address, or one with a prefix length; bits behind the prefix are cleared. */
bool wr_ip_range_parse(const char *text, struct wr_ip_range *ret) WR_MUST_CHECK;
/* A range of IPv6 addresses holds no IPv4 address, ::/0 neither. */
bool wr_ip_in(const struct wr_ip *ip, const struct wr_ip_range *range);
bool wr_ip_is_v4(const struct wr_ip *ip);
bool wr_ip_equal(const struct wr_ip *a, const struct wr_ip *b);
void wr_ip_format(const struct wr_ip *ip, char out[static WR_IP_TEXT]);
void wr_ip_range_format(const struct wr_ip_range *range, char out[static WR_IP_RANGE_TEXT]);
/* AF_INET or AF_INET6, else false. */
bool wr_ip_from_sockaddr(const struct sockaddr *address, struct wr_ip *ret_ip, uint16_t *ret_port);
/* Plain AF_INET for IPv4 ones. Returns the length. */
socklen_t wr_ip_to_sockaddr(const struct wr_ip *ip, uint16_t port, struct sockaddr_storage *ret);
