/*
 * Where the upstream proxy of a sandbox is: "host:port" (SOCKS5), "socks5://host:port" or
 * "http://host:port". The host is a name, an IPv4 address or an IPv6 address in brackets.
 */
#pragma once

#include "server/egress/policy.h"

struct wr_proxy_address {
    enum wr_net_proxy_kind kind;
    char host[WR_POLICY_MAX_DOMAIN + 1]; /* without brackets */
    uint16_t port;
};

bool wr_proxy_address_parse(const char *text, struct wr_proxy_address *ret) WR_MUST_CHECK;
