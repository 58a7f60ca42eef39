#include "server/egress/dns_reverse.h"

#include <string.h>

#include "base/encode.h"
#include "base/str.h"

static const char v4_zone[] = "in-addr.arpa", v6_zone[] = "ip6.arpa";

/* Whether `name` is the zone or below it; `*ret_labels` is the length of what is in front of it,
 * with its last dot. */
static bool below(const char *name, const char *zone, size_t *ret_labels)
{
    size_t len = strlen(name), zone_len = strlen(zone);

    if (!wr_ends_with(name, zone) || (len > zone_len && name[len - zone_len - 1] != '.'))
        return false;
    *ret_labels = len - zone_len;
    return true;
}

/* "4.3.2.1." is 1.2.3.4. */
static bool parse_v4(const char *labels, size_t len, struct wr_ip *ret)
{
    struct wr_ip ip = {.bytes = {[10] = 0xff, 0xff}};
    const char *end = labels + len;

    for (unsigned i = 0; i < 4; i++) {
        unsigned value = 0, digits = 0;
        for (; labels < end && *labels >= '0' && *labels <= '9' && digits < 3; labels++, digits++)
            value = value * 10 + (unsigned)(*labels - '0');
        if (digits == 0 || value > 255 || labels == end || *labels++ != '.')
            return false;
        ip.bytes[15 - i] = (unsigned char)value;
    }
    if (labels != end)
        return false;
    *ret = ip;
    return true;
}

/* 32 hex digits, the lowest first. */
static bool parse_v6(const char *labels, size_t len, struct wr_ip *ret)
{
    struct wr_ip ip = {.bytes = {0}};

    if (len != 64)
        return false;
    for (unsigned i = 0; i < 32; i++) {
        int digit = wr_hex_value(labels[2 * (size_t)i]);
        if (digit < 0 || labels[2 * (size_t)i + 1] != '.')
            return false;
        ip.bytes[15 - i / 2] |= (unsigned char)(i % 2 ? digit << 4 : digit);
    }
    *ret = ip;
    return true;
}

enum wr_dns_reverse wr_dns_reverse_parse(const char *name, struct wr_ip *ret)
{
    size_t labels = 0;

    if (below(name, v4_zone, &labels))
        return parse_v4(name, labels, ret) ? WR_DNS_REVERSE_ADDRESS : WR_DNS_REVERSE_OTHER;
    if (below(name, v6_zone, &labels))
        return parse_v6(name, labels, ret) ? WR_DNS_REVERSE_ADDRESS : WR_DNS_REVERSE_OTHER;
    return WR_DNS_REVERSE_NONE;
}
