#include "server/egress/dns_message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Second 16 bits of the header. */
#define FLAG_QR 0x8000
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100
#define FLAG_RA 0x0080
#define FLAG_Z  0x0040

#define MAX_LABEL 63
#define OPT_FIXED 11 /* root name, type, class, TTL, length */

static const struct {
    uint16_t type;
    const char *name;
} type_names[] = {
    {WR_DNS_A, "A"},       {WR_DNS_NS, "NS"},     {WR_DNS_CNAME, "CNAME"}, {WR_DNS_SOA, "SOA"},
    {WR_DNS_NULL, "NULL"}, {WR_DNS_PTR, "PTR"},   {WR_DNS_MX, "MX"},       {WR_DNS_TXT, "TXT"},
    {WR_DNS_AAAA, "AAAA"}, {WR_DNS_SRV, "SRV"},   {WR_DNS_SVCB, "SVCB"},   {WR_DNS_HTTPS, "HTTPS"},
    {WR_DNS_IXFR, "IXFR"}, {WR_DNS_AXFR, "AXFR"}, {WR_DNS_ANY, "ANY"},     {WR_DNS_CAA, "CAA"},
};

static const char *const rcode_names[] = {"NOERROR",  "FORMERR", "SERVFAIL",
                                          "NXDOMAIN", "NOTIMP",  "REFUSED"};

static size_t put16(unsigned char *out, uint16_t value)
{
    out[0] = (unsigned char)(value >> 8);
    out[1] = (unsigned char)value;
    return 2;
}

static size_t put32(unsigned char *out, uint32_t value)
{
    (void)put16(out, (uint16_t)(value >> 16));
    (void)put16(out + 2, (uint16_t)value);
    return 4;
}

/* ---- questions of sandboxes ---- */

static bool name_char(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

static char lower(unsigned char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Reads the name at data[at]; the offset behind it, or 0 when it is not acceptable. */
static size_t read_name(const unsigned char *data, size_t len, size_t at,
                        struct wr_dns_question *ret)
{
    size_t begin = at, text = 0;

    for (;;) {
        if (at >= len)
            return 0;
        size_t label = data[at++];
        if (label == 0)
            break;
        /* Also refuses compression, whose first byte is 0xc0 or more. */
        if (label > MAX_LABEL || label > len - at || text + (text > 0) + label > WR_DNS_MAX_NAME)
            return 0;
        if (text > 0)
            ret->name[text++] = '.';
        for (size_t i = 0; i < label; i++, at++) {
            if (!name_char(data[at]))
                return 0;
            ret->name[text++] = lower(data[at]);
        }
    }
    ret->name[text] = '\0';
    ret->wire_len = at - begin;
    memcpy(ret->wire, data + begin, ret->wire_len);
    return at;
}

/* The OPT record (RFC 6891 6.1) that has to reach to the end of the message. */
static int read_opt(const unsigned char *data, size_t len, struct wr_dns_question *ret)
{
    if (len < OPT_FIXED || data[0] != 0 || wr_dns_get16(data + 1) != WR_DNS_OPT_TYPE ||
        wr_dns_get16(data + 9) != len - OPT_FIXED)
        return WR_DNS_FORMERR;
    for (size_t at = OPT_FIXED; at < len;) { /* options: code, length, bytes */
        if (len - at < 4 || wr_dns_get16(data + at + 2) > len - at - 4)
            return WR_DNS_FORMERR;
        at += 4U + wr_dns_get16(data + at + 2);
    }
    ret->edns = true;
    ret->udp_size = WR_MIN(WR_MAX(wr_dns_get16(data + 3), WR_DNS_UDP_MIN), WR_DNS_UDP_MAX);
    return data[6] == 0 ? 0 : WR_DNS_BADVERS;
}

int wr_dns_parse_question(const unsigned char *data, size_t len, struct wr_dns_question *ret)
{
    struct wr_dns_question q = {.udp_size = WR_DNS_UDP_MIN};
    int r = WR_DNS_FORMERR;

    if (len < WR_DNS_HEADER || (wr_dns_get16(data + 2) & FLAG_QR))
        return -EINVAL;
    uint16_t flags = wr_dns_get16(data + 2), additional = wr_dns_get16(data + 10);
    q.id = wr_dns_get16(data);
    q.recursion = flags & FLAG_RD;
    if (flags & 0x7800) {
        r = WR_DNS_NOTIMP; /* no QUERY */
    } else if (len <= WR_DNS_MAX_QUESTION && !(flags & (FLAG_AA | FLAG_TC | FLAG_Z | 0x000f)) &&
               wr_dns_get16(data + 4) == 1 && wr_dns_get16(data + 6) == 0 &&
               wr_dns_get16(data + 8) == 0 && additional <= 1) {
        size_t at = read_name(data, len, WR_DNS_HEADER, &q);
        if (at && len - at >= 4) {
            q.type = wr_dns_get16(data + at);
            q.class = wr_dns_get16(data + at + 2);
            at += 4;
            if (additional)
                r = read_opt(data + at, len - at, &q);
            else if (at == len)
                r = 0;
        }
    }
    if (r)
        q.wire_len = 0;
    *ret = q;
    return r;
}

/* ---- answers ---- */

size_t wr_dns_write_head(const struct wr_dns_question *question, enum wr_dns_rcode rcode,
                         bool truncated, uint16_t answers, uint16_t authorities, unsigned char *out)
{
    unsigned flags = FLAG_QR | FLAG_RA | (question->recursion ? FLAG_RD : 0U) |
                     (truncated ? FLAG_TC : 0U) | ((unsigned)rcode & 0xf);
    size_t at = put16(out, question->id);

    at += put16(out + at, (uint16_t)flags);
    at += put16(out + at, question->wire_len > 0);
    at += put16(out + at, answers);
    at += put16(out + at, authorities);
    at += put16(out + at, question->edns);
    if (question->wire_len > 0) {
        memcpy(out + at, question->wire, question->wire_len);
        at += question->wire_len;
        at += put16(out + at, question->type);
        at += put16(out + at, question->class);
    }
    return at;
}

size_t wr_dns_write_opt(const struct wr_dns_question *question, enum wr_dns_rcode rcode,
                        unsigned char *out)
{
    size_t at = 0;

    if (!question->edns)
        return 0;
    out[at++] = 0;
    at += put16(out + at, WR_DNS_OPT_TYPE);
    at += put16(out + at, WR_DNS_UDP_MAX);
    at += put32(out + at, (uint32_t)rcode >> 4 << 24);
    return at + put16(out + at, 0);
}

static bool fits_type(const struct wr_ip *ip, uint16_t type)
{
    return wr_ip_is_v4(ip) ? type == WR_DNS_A : type == WR_DNS_AAAA;
}

size_t wr_dns_build_reply(const struct wr_dns_question *question, const struct wr_dns_reply *reply,
                          size_t max, unsigned char out[static WR_DNS_REPLY_MAX])
{
    const size_t data_len = question->type == WR_DNS_A ? 4 : 16;
    const struct wr_ip *chosen[WR_DNS_REPLY_ADDRESSES];
    size_t count = 0;

    for (size_t i = 0; i < reply->count && count < WR_DNS_REPLY_ADDRESSES; i++)
        if (question->wire_len > 0 && fits_type(&reply->addresses[i], question->type))
            chosen[count++] = &reply->addresses[i];
    size_t total = WR_DNS_HEADER + question->wire_len + 4 + count * (12 + data_len) + WR_DNS_OPT;
    bool truncated = total > max;
    if (truncated)
        count = 0;
    size_t at = wr_dns_write_head(question, reply->rcode, truncated, (uint16_t)count, 0, out);
    for (size_t i = 0; i < count; i++) {
        at += put16(out + at, 0xc000 | WR_DNS_HEADER); /* the question's name */
        at += put16(out + at, question->type);
        at += put16(out + at, WR_DNS_CLASS_IN);
        at += put32(out + at, reply->ttl_s);
        at += put16(out + at, (uint16_t)data_len);
        memcpy(out + at, chosen[i]->bytes + sizeof chosen[i]->bytes - data_len, data_len);
        at += data_len;
    }
    return at + wr_dns_write_opt(question, reply->rcode, out + at);
}

/* ---- questions to the host's resolvers ---- */

size_t wr_dns_name_to_wire(const char *name, unsigned char out[static WR_DNS_MAX_WIRE])
{
    size_t at = 0;

    if (*name == '\0' || strnlen(name, WR_DNS_MAX_NAME + 1) > WR_DNS_MAX_NAME)
        return 0;
    for (;;) {
        size_t label = strcspn(name, ".");
        if (label == 0 || label > MAX_LABEL)
            return 0;
        out[at++] = (unsigned char)label;
        for (size_t i = 0; i < label; i++) {
            if (!name_char((unsigned char)name[i]))
                return 0;
            out[at++] = (unsigned char)lower((unsigned char)name[i]);
        }
        if (name[label] == '\0')
            break;
        name += label + 1;
    }
    out[at++] = 0;
    return at;
}

size_t wr_dns_build_query(uint16_t id, const unsigned char *wire, size_t wire_len, uint16_t type,
                          unsigned char out[static WR_DNS_QUERY_MAX])
{
    const struct wr_dns_question opt = {.edns = true};
    size_t at = put16(out, id);

    at += put16(out + at, FLAG_RD);
    at += put16(out + at, 1);
    at += put32(out + at, 0);
    at += put16(out + at, 1);
    memcpy(out + at, wire, wire_len);
    at += wire_len;
    at += put16(out + at, type);
    at += put16(out + at, WR_DNS_CLASS_IN);
    return at + wr_dns_write_opt(&opt, WR_DNS_NOERROR, out + at);
}

/* ---- texts ---- */

void wr_dns_type_text(uint16_t type, char out[static WR_DNS_TYPE_TEXT])
{
    const char *known = NULL;

    for (size_t i = 0; i < WR_ARRAY_SIZE(type_names) && !known; i++)
        if (type_names[i].type == type)
            known = type_names[i].name;
    if (known)
        (void)snprintf(out, WR_DNS_TYPE_TEXT, "%s", known);
    else
        (void)snprintf(out, WR_DNS_TYPE_TEXT, "TYPE%u", type);
}

const char *wr_dns_rcode_text(int rcode)
{
    if (rcode == WR_DNS_BADVERS)
        return "BADVERS";
    return rcode >= 0 && (size_t)rcode < WR_ARRAY_SIZE(rcode_names) ? rcode_names[rcode] : "error";
}
