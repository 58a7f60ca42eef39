/* A question of a sandbox: what is accepted has a name of the allowed characters, gives the same
 * question when it is asked upstream, and every answer to it keeps its bounds. */
#include "base/str.h"
#include "fuzz.h"
#include "server/egress/dns_message.h"
#include "server/egress/dns_reverse.h"

static void check_name(const struct wr_dns_question *q)
{
    unsigned char wire[WR_DNS_MAX_WIRE], query[WR_DNS_QUERY_MAX];
    struct wr_dns_question again;
    struct wr_ip ip;

    HOLDS(wr_str_only(q->name, "abcdefghijklmnopqrstuvwxyz0123456789-_.", 0, WR_DNS_MAX_NAME));
    HOLDS(q->wire_len >= 1 && q->wire_len <= WR_DNS_MAX_WIRE);
    (void)wr_dns_reverse_parse(q->name, &ip);
    size_t len = wr_dns_name_to_wire(q->name, wire);
    HOLDS(len == (q->name[0] ? q->wire_len : 0));
    if (len == 0)
        return;
    len = wr_dns_build_query(q->id, wire, len, q->type, query);
    HOLDS(len <= sizeof query);
    HOLDS(wr_dns_parse_question(query, len, &again) == 0);
    HOLDS(wr_streq(again.name, q->name) && again.type == q->type && again.id == q->id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t limits[] = {WR_DNS_UDP_MIN, WR_DNS_UDP_MAX, WR_DNS_MAX_MESSAGE};
    struct wr_ip ips[WR_DNS_REPLY_ADDRESSES] = {{.bytes = {0x20}}};
    struct wr_dns_reply reply = {.addresses = ips, .count = WR_ARRAY_SIZE(ips), .ttl_s = 1};
    unsigned char out[WR_DNS_REPLY_MAX];
    struct wr_dns_question q;

    int r = wr_dns_parse_question(data, size, &q);
    if (r < 0)
        return 0;
    if (r == 0)
        check_name(&q);
    HOLDS(q.udp_size >= WR_DNS_UDP_MIN && q.udp_size <= WR_DNS_UDP_MAX);
    HOLDS(r == 0 || q.wire_len == 0);
    reply.rcode = (enum wr_dns_rcode)r;
    for (size_t i = 0; i < WR_ARRAY_SIZE(limits); i++) {
        size_t len = wr_dns_build_reply(&q, &reply, limits[i], out);
        HOLDS(len >= WR_DNS_HEADER && len <= sizeof out && len <= limits[i]);
        HOLDS(wr_dns_get16(out) == q.id && (out[2] & 0x80));
    }
    return 0;
}
