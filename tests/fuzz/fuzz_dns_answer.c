/* An answer from upstream: the first byte is the length of the name that was asked, then the name
 * as text, the type, and the message. Whatever is passed on to a sandbox is well-formed again. */
#include "fuzz.h"
#include "server/egress/dns_forward.h"
#include "server/egress/dns_reader.h"

static struct wr_net_guard *guard;

static void check_forwarded(const unsigned char *message, size_t len, const unsigned char *wire,
                            size_t wire_len, uint16_t type)
{
    static unsigned char out[WR_DNS_FORWARD_MAX];
    struct wr_dns_question q = {
        .id = 1, .type = type, .class = WR_DNS_CLASS_IN, .edns = true, .wire_len = wire_len};

    memcpy(q.wire, wire, wire_len);
    for (size_t max = WR_DNS_UDP_MIN; max <= WR_DNS_FORWARD_MAX; max *= 4) {
        struct wr_dns_forward f = wr_dns_forward(&q, message, len, guard, max, out);
        HOLDS(f.outcome != WR_DNS_FORWARD_BLOCKED || f.blocked);
        if (f.outcome == WR_DNS_FORWARDED) {
            HOLDS(f.len <= max);
            HOLDS(wr_dns_valid(out, f.len, wire, wire_len, type));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned char wire[WR_DNS_MAX_WIRE];
    char name[WR_DNS_MAX_NAME + 1] = "";
    struct wr_dns_found found;
    struct wr_error err;

    if (!guard)
        HOLDS(wr_guard_new(NULL, &guard, &err) == 0);
    if (size < 3 || data[0] > WR_DNS_MAX_NAME || size < 3U + data[0])
        return 0;
    memcpy(name, data + 1, data[0]);
    size_t wire_len = wr_dns_name_to_wire(name, wire);
    if (wire_len == 0)
        return 0;
    const unsigned char *message = data + 1 + data[0];
    uint16_t type = wr_dns_get16(message);
    size_t len = size - 3 - data[0];
    message += 2;
    bool valid = wr_dns_valid(message, len, wire, wire_len, type);
    HOLDS(valid || wr_dns_read_addresses(message, len, wire, wire_len, type, &found) < 0);
    if (!valid)
        return 0;
    if (wr_dns_read_addresses(message, len, wire, wire_len, type, &found) == 0) {
        HOLDS(found.count <= WR_DNS_REPLY_ADDRESSES);
        for (size_t i = 0; i < found.count; i++)
            HOLDS(wr_ip_is_v4(&found.addresses[i]) == (type == WR_DNS_A));
    }
    check_forwarded(message, len, wire, wire_len, type);
    return 0;
}
