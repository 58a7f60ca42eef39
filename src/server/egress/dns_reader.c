#include "server/egress/dns_reader.h"

#include <errno.h>
#include <string.h>

#define FLAG_QR      0x8000
#define RECORD_FIXED 10 /* type, class, TTL, length */
#define MAX_LABEL    63
#define POINTER      0xc0
#define MAX_JUMPS    128 /* a name has no more labels; else each of 512 names could cost thousands */

/* What the data of a record consists of: some bytes, some names, and the rest. */
enum rest { REST_NONE, REST_FIXED, REST_STRINGS, REST_ANY };
static const struct form {
    uint16_t type;
    uint8_t before, names;
    enum rest rest;
    uint8_t after; /* bytes of REST_FIXED */
} forms[] = {
    {WR_DNS_A, 0, 0, REST_FIXED, 4},     {WR_DNS_AAAA, 0, 0, REST_FIXED, 16},
    {WR_DNS_NS, 0, 1, REST_NONE, 0},     {WR_DNS_CNAME, 0, 1, REST_NONE, 0},
    {WR_DNS_PTR, 0, 1, REST_NONE, 0},    {WR_DNS_SOA, 0, 2, REST_FIXED, 20},
    {WR_DNS_MX, 2, 1, REST_NONE, 0},     {WR_DNS_SRV, 6, 1, REST_NONE, 0},
    {WR_DNS_TXT, 0, 0, REST_STRINGS, 0}, {WR_DNS_SVCB, 2, 1, REST_ANY, 0},
    {WR_DNS_HTTPS, 2, 1, REST_ANY, 0},   {WR_DNS_CAA, 2, 0, REST_ANY, 0},
};

static unsigned char lower(unsigned char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Reads the name at `*at` into `out` (WR_DNS_MAX_WIRE bytes), or only checks it (NULL), and moves
 * `*at` behind it. Its length uncompressed, or 0. */
static size_t expand(const unsigned char *message, size_t len, size_t *at, unsigned char *out)
{
    size_t from = *at, floor = *at, written = 0;
    unsigned jumps = 0;

    for (;;) {
        if (from >= len)
            return 0;
        unsigned char label = message[from];
        if ((label & POINTER) == POINTER) {
            if (len - from < 2)
                return 0;
            size_t target = (size_t)(label & ~POINTER & 0xff) << 8 | message[from + 1];
            /* Strictly before everything of this name so far: no loop, and an end. */
            if (target < WR_DNS_HEADER || target >= floor || jumps == MAX_JUMPS)
                return 0;
            if (jumps++ == 0)
                *at = from + 2;
            from = floor = target;
            continue;
        }
        if (label > MAX_LABEL || label >= len - from || written + label + 1U > WR_DNS_MAX_WIRE)
            return 0;
        for (size_t i = 0; out && i <= label; i++)
            out[written + i] = i ? lower(message[from + i]) : label;
        written += label + 1U;
        from += label + 1U;
        if (label == 0)
            break;
    }
    if (jumps == 0)
        *at = from;
    return written;
}

size_t wr_dns_skip_name(const unsigned char *message, size_t end, size_t at)
{
    return expand(message, end, &at, NULL) ? at : 0;
}

int wr_dns_read(struct wr_dns_reader *reader, const unsigned char *message, size_t len,
                const unsigned char *wire, size_t wire_len, uint16_t type)
{
    struct wr_dns_reader r = {.message = message, .len = len, .at = WR_DNS_HEADER};
    unsigned char name[WR_DNS_MAX_WIRE];

    if (len < WR_DNS_HEADER || len > WR_DNS_MAX_MESSAGE || !(wr_dns_get16(message + 2) & FLAG_QR) ||
        wr_dns_get16(message + 4) != 1)
        return -EBADMSG;
    size_t name_len = expand(message, len, &r.at, name);
    if (name_len != wire_len || memcmp(name, wire, wire_len) != 0 || len - r.at < 4 ||
        wr_dns_get16(message + r.at) != type || wr_dns_get16(message + r.at + 2) != WR_DNS_CLASS_IN)
        return -EBADMSG;
    r.at += 4;
    r.rcode = message[3] & 0xf;
    for (unsigned i = 0; i < 3; i++)
        r.left[i] = wr_dns_get16(message + 6 + 2 * i);
    *reader = r;
    return 0;
}

/* Text strings, each with its length in front. */
static bool strings(const unsigned char *data, size_t len)
{
    while (len > 0) {
        size_t one = 1U + data[0];
        if (one > len)
            return false;
        data += one;
        len -= one;
    }
    return true;
}

static bool data_valid(const unsigned char *message, const struct wr_dns_record *record)
{
    const struct form *form = NULL;
    size_t at = record->data, end = record->data + record->data_len;

    for (size_t i = 0; i < WR_ARRAY_SIZE(forms) && !form; i++)
        if (forms[i].type == record->type)
            form = &forms[i];
    if (!form || record->class != WR_DNS_CLASS_IN)
        return true; /* of no form that anybody here reads */
    if (record->data_len < form->before)
        return false;
    at += form->before;
    for (unsigned i = 0; i < form->names; i++)
        if (!expand(message, end, &at, NULL))
            return false;
    switch (form->rest) {
    case REST_NONE:
        return at == end;
    case REST_FIXED:
        return end - at == form->after;
    case REST_STRINGS:
        return at < end && strings(message + at, end - at);
    case REST_ANY:
    default:
        return true;
    }
}

int wr_dns_read_next(struct wr_dns_reader *reader, struct wr_dns_record *ret)
{
    const unsigned char *message = reader->message;

    while (reader->section < 3 && reader->left[reader->section] == 0)
        reader->section++;
    if (reader->section == 3)
        return reader->at == reader->len ? 0 : -EBADMSG;
    if (++reader->count > WR_DNS_MAX_RECORDS)
        return -EBADMSG;
    ret->section = (enum wr_dns_section)reader->section;
    ret->name_len = expand(message, reader->len, &reader->at, ret->name);
    if (!ret->name_len || reader->len - reader->at < RECORD_FIXED)
        return -EBADMSG;
    const unsigned char *fixed = message + reader->at;
    ret->type = wr_dns_get16(fixed);
    ret->class = wr_dns_get16(fixed + 2);
    ret->ttl_s = wr_dns_get32(fixed + 4);
    ret->data_len = wr_dns_get16(fixed + 8);
    ret->data = reader->at + RECORD_FIXED;
    if (ret->data_len > reader->len - ret->data || !data_valid(message, ret))
        return -EBADMSG;
    reader->at = ret->data + ret->data_len;
    reader->left[reader->section]--;
    return 1;
}

/* The owner whose records are looked for: the question's name, or what its CNAMEs lead to. */
struct owner {
    unsigned char name[WR_DNS_MAX_WIRE];
    size_t len;
};

static bool belongs(const struct wr_dns_record *record, const struct owner *owner, uint16_t type)
{
    return record->section == WR_DNS_ANSWER && record->type == type &&
           record->class == WR_DNS_CLASS_IN && record->name_len == owner->len &&
           memcmp(record->name, owner->name, owner->len) == 0;
}

/* One step along the CNAMEs. 1: made; 0: there is none. */
static int follow(struct wr_dns_reader reader, struct owner *owner, uint32_t *ttl_s)
{
    struct wr_dns_record record;
    int r;

    while ((r = wr_dns_read_next(&reader, &record)) > 0) {
        if (belongs(&record, owner, WR_DNS_CNAME)) {
            size_t at = record.data;
            owner->len = expand(reader.message, reader.len, &at, owner->name);
            *ttl_s = WR_MIN(*ttl_s, record.ttl_s);
            return 1;
        }
    }
    return r;
}

static struct wr_ip address_of(const unsigned char *data, size_t len)
{
    struct wr_ip ip = {.bytes = {[10] = 0xff, 0xff}};

    memcpy(ip.bytes + sizeof ip.bytes - len, data, len);
    return ip;
}

int wr_dns_read_addresses(const unsigned char *message, size_t len, const unsigned char *wire,
                          size_t wire_len, uint16_t type, struct wr_dns_found *ret)
{
    struct wr_dns_found found = {.ttl_s = UINT32_MAX};
    struct wr_dns_reader reader;
    struct wr_dns_record record;
    struct owner owner;
    int r = type == WR_DNS_A || type == WR_DNS_AAAA
                ? wr_dns_read(&reader, message, len, wire, wire_len, type)
                : -EBADMSG;

    if (r < 0)
        return r;
    found.rcode = reader.rcode;
    memcpy(owner.name, wire, wire_len);
    owner.len = wire_len;
    for (unsigned steps = 0; (r = follow(reader, &owner, &found.ttl_s)) > 0;)
        if (++steps > WR_DNS_MAX_CNAMES)
            return -EBADMSG;
    if (r < 0)
        return r;
    while ((r = wr_dns_read_next(&reader, &record)) > 0) {
        if (!belongs(&record, &owner, type) || found.count == WR_DNS_REPLY_ADDRESSES)
            continue;
        struct wr_ip ip = address_of(message + record.data, record.data_len);
        if (wr_ip_is_v4(&ip) != (type == WR_DNS_A))
            continue; /* an IPv4 address in disguise */
        found.addresses[found.count++] = ip;
        found.ttl_s = WR_MIN(found.ttl_s, record.ttl_s);
    }
    if (r == 0)
        *ret = found;
    return r;
}

bool wr_dns_valid(const unsigned char *message, size_t len, const unsigned char *wire,
                  size_t wire_len, uint16_t type)
{
    struct wr_dns_reader reader;
    struct wr_dns_record record;
    int r = wr_dns_read(&reader, message, len, wire, wire_len, type);

    if (r < 0)
        return false;
    while ((r = wr_dns_read_next(&reader, &record)) > 0)
        ;
    return r == 0;
}
