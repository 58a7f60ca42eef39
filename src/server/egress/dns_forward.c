#include "server/egress/dns_forward.h"

#include <string.h>

#include "server/egress/dns_reader.h"

#define HINT_V4 4 /* SvcParamKeys, RFC 9460 14.3.2 */
#define HINT_V6 6

/* Addresses of `size` bytes, one behind the other. False for what is none. */
static bool check_addresses(const unsigned char *data, size_t len, size_t size,
                            const struct wr_net_guard *guard, const char **ret_blocked)
{
    if (len == 0 || len % size != 0)
        return false;
    for (; len > 0 && !*ret_blocked; data += size, len -= size) {
        struct wr_ip ip = {.bytes = {[10] = 0xff, 0xff}};
        memcpy(ip.bytes + sizeof ip.bytes - size, data, size);
        *ret_blocked = wr_guard_check(guard, &ip, 0);
    }
    return true;
}

/* The address hints of a SVCB or HTTPS record. */
static bool check_hints(const unsigned char *message, size_t at, size_t end,
                        const struct wr_net_guard *guard, const char **ret_blocked)
{
    at = wr_dns_skip_name(message, end, at + 2);
    if (!at)
        return false;
    while (at < end) {
        if (end - at < 4)
            return false;
        uint16_t key = wr_dns_get16(message + at), len = wr_dns_get16(message + at + 2);
        at += 4;
        if (len > end - at)
            return false;
        if ((key == HINT_V4 || key == HINT_V6) &&
            !check_addresses(message + at, len, key == HINT_V4 ? 4 : 16, guard, ret_blocked))
            return false;
        at += len;
    }
    return true;
}

static bool check_record(const unsigned char *message, const struct wr_dns_record *record,
                         const struct wr_net_guard *guard, const char **ret_blocked)
{
    switch (record->type) {
    case WR_DNS_A:
    case WR_DNS_AAAA:
        return check_addresses(message + record->data, record->data_len,
                               record->type == WR_DNS_A ? 4 : 16, guard, ret_blocked);
    case WR_DNS_SVCB:
    case WR_DNS_HTTPS:
        return check_hints(message, record->data, record->data + record->data_len, guard,
                           ret_blocked);
    default:
        return true;
    }
}

struct wr_dns_forward wr_dns_forward(const struct wr_dns_question *question,
                                     const unsigned char *message, size_t len,
                                     const struct wr_net_guard *guard, size_t max,
                                     unsigned char *out)
{
    struct wr_dns_forward forward = {.outcome = WR_DNS_FORWARD_BAD};
    const size_t begin = WR_DNS_HEADER + question->wire_len + 4;
    uint16_t counts[2] = {0, 0};
    struct wr_dns_reader reader = {.message = message, .len = len, .at = begin};
    struct wr_dns_record record;
    size_t end = begin;
    int r = 0;

    if (len < begin)
        return forward;
    forward.rcode = (enum wr_dns_rcode)(message[3] & 0xf);
    if (forward.rcode != WR_DNS_NOERROR && forward.rcode != WR_DNS_NXDOMAIN)
        return forward;
    for (unsigned i = 0; i < 3; i++)
        reader.left[i] = wr_dns_get16(message + 6 + 2 * (size_t)i);
    while ((r = wr_dns_read_next(&reader, &record)) > 0 && record.section != WR_DNS_ADDITIONAL) {
        if (!check_record(message, &record, guard, &forward.blocked))
            return forward;
        counts[record.section]++;
        end = record.data + record.data_len;
    }
    if (r < 0)
        return forward;
    if (forward.blocked) {
        forward.outcome = WR_DNS_FORWARD_BLOCKED;
        return forward;
    }
    if (end + WR_DNS_OPT > WR_DNS_FORWARD_MAX)
        return forward;
    bool truncated = end + WR_DNS_OPT > max;
    forward.outcome = WR_DNS_FORWARDED;
    forward.records = counts[WR_DNS_ANSWER];
    forward.len = wr_dns_write_head(question, forward.rcode, truncated, truncated ? 0 : counts[0],
                                    truncated ? 0 : counts[1], out);
    /* The question is as long as upstream's, so that compression pointers stay right. */
    if (!truncated) {
        memcpy(out + begin, message + begin, end - begin);
        forward.len = end;
    }
    forward.len += wr_dns_write_opt(question, forward.rcode, out + forward.len);
    return forward;
}
