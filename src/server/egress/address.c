#include "server/egress/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/str.h"

#define V4_BITS 96 /* of the prefix that makes an address IPv4-mapped */

static const unsigned char v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

bool wr_ip_is_v4(const struct wr_ip *ip)
{
    return memcmp(ip->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

static void set_v4(struct wr_ip *ip, const void *four)
{
    memcpy(ip->bytes, v4_prefix, sizeof v4_prefix);
    memcpy(ip->bytes + sizeof v4_prefix, four, 4);
}

bool wr_ip_parse(const char *text, struct wr_ip *ret)
{
    unsigned char bytes[16];

    if (inet_pton(AF_INET, text, bytes) == 1)
        set_v4(ret, bytes);
    else if (inet_pton(AF_INET6, text, bytes) == 1)
        memcpy(ret->bytes, bytes, sizeof bytes);
    else
        return false;
    return true;
}

static void clear_behind(struct wr_ip *ip, unsigned prefix)
{
    for (unsigned i = 0; i < sizeof ip->bytes; i++) {
        unsigned bits = prefix > i * 8 ? WR_MIN(prefix - i * 8, 8u) : 0;
        ip->bytes[i] &= (unsigned char)(0xff00u >> bits);
    }
}

bool wr_ip_range_parse(const char *text, struct wr_ip_range *ret)
{
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);
    char address[WR_IP_TEXT];
    struct wr_ip_range range;
    uint64_t prefix = 0;

    if (len >= sizeof address)
        return false;
    memcpy(address, text, len);
    address[len] = '\0';
    if (!wr_ip_parse(address, &range.base))
        return false;
    /* The notation of the text counts: a mapped address has a prefix of up to 128 bits. */
    bool v4 = !strchr(address, ':');
    unsigned skipped = v4 ? V4_BITS : 0;
    if (!slash)
        prefix = 128 - skipped;
    else if ((slash[1] == '0' && slash[2]) ||
             wr_parse_u64(slash + 1, 0, 128 - skipped, &prefix) < 0)
        return false;
    range.prefix = (uint8_t)(prefix + skipped);
    clear_behind(&range.base, range.prefix);
    *ret = range;
    return true;
}

static bool is_v4_range(const struct wr_ip_range *range)
{
    return range->prefix >= V4_BITS && wr_ip_is_v4(&range->base);
}

bool wr_ip_in(const struct wr_ip *ip, const struct wr_ip_range *range)
{
    unsigned whole = range->prefix / 8, rest = range->prefix % 8;

    if (memcmp(ip->bytes, range->base.bytes, whole) != 0 ||
        (rest && (ip->bytes[whole] ^ range->base.bytes[whole]) >> (8 - rest)))
        return false;
    return !wr_ip_is_v4(ip) || is_v4_range(range);
}

bool wr_ip_equal(const struct wr_ip *a, const struct wr_ip *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

void wr_ip_format(const struct wr_ip *ip, char out[static WR_IP_TEXT])
{
    bool v4 = wr_ip_is_v4(ip);

    if (!inet_ntop(v4 ? AF_INET : AF_INET6, ip->bytes + (v4 ? sizeof v4_prefix : 0), out,
                   WR_IP_TEXT))
        out[0] = '\0';
}

void wr_ip_range_format(const struct wr_ip_range *range, char out[static WR_IP_RANGE_TEXT])
{
    bool v4 = is_v4_range(range);
    struct wr_ip base = range->base;
    char address[WR_IP_TEXT];

    wr_ip_format(&base, address);
    (void)snprintf(out, WR_IP_RANGE_TEXT, "%s/%u", address,
                   (unsigned)range->prefix - (v4 ? V4_BITS : 0));
}

bool wr_ip_from_sockaddr(const struct sockaddr *address, struct wr_ip *ret_ip, uint16_t *ret_port)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, address, sizeof v4);
        set_v4(ret_ip, &v4.sin_addr);
        *ret_port = ntohs(v4.sin_port);
        return true;
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, address, sizeof v6);
        memcpy(ret_ip->bytes, &v6.sin6_addr, sizeof ret_ip->bytes);
        *ret_port = ntohs(v6.sin6_port);
        return true;
    }
    return false;
}

socklen_t wr_ip_to_sockaddr(const struct wr_ip *ip, uint16_t port, struct sockaddr_storage *ret)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    memset(ret, 0, sizeof *ret);
    if (wr_ip_is_v4(ip)) {
        memcpy(&v4.sin_addr, ip->bytes + sizeof v4_prefix, sizeof v4.sin_addr);
        memcpy(ret, &v4, sizeof v4);
        return sizeof v4;
    }
    memcpy(&v6.sin6_addr, ip->bytes, sizeof v6.sin6_addr);
    memcpy(ret, &v6, sizeof v6);
    return sizeof v6;
}
