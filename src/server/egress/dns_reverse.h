/* Names of reverse lookups (RFC 1035 3.5, RFC 3596 2.5). */
#pragma once

#include <stdbool.h>

#include "server/egress/address.h"

enum wr_dns_reverse {
    WR_DNS_REVERSE_NONE = 0,    /* another name */
    WR_DNS_REVERSE_ADDRESS = 1, /* of one address */
    WR_DNS_REVERSE_OTHER = 2,   /* below in-addr.arpa or ip6.arpa, but of no whole address */
};

/* `name` in lower case without a dot at the end. `*ret` is set for an address only. */
enum wr_dns_reverse wr_dns_reverse_parse(const char *name, struct wr_ip *ret);
