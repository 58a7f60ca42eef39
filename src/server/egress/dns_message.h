/*
 * DNS messages (RFC 1035, 3596, 6891) as the egress needs them: questions of sandboxes, which are
 * hostile, answers that are made for them, and questions to the host's resolvers. Answers of those
 * are read by dns_reader.h. Pure functions of bytes.
 */
#pragma once

#include <stdbool.h>

#include "server/egress/address.h"

#define WR_DNS_HEADER       12
#define WR_DNS_MAX_NAME     253 /* characters of a name */
#define WR_DNS_MAX_WIRE     255 /* bytes of a name in a message */
#define WR_DNS_MAX_QUESTION 512 /* bytes of a message with a question */
#define WR_DNS_MAX_MESSAGE  65535
#define WR_DNS_UDP_MIN      512
#define WR_DNS_UDP_MAX      1232 /* what is said and sent by EDNS: fits every path unfragmented */
#define WR_DNS_OPT          11   /* bytes of an OPT record without options */

enum wr_dns_type {
    WR_DNS_A = 1,
    WR_DNS_NS = 2,
    WR_DNS_CNAME = 5,
    WR_DNS_SOA = 6,
    WR_DNS_NULL = 10,
    WR_DNS_PTR = 12,
    WR_DNS_MX = 15,
    WR_DNS_TXT = 16,
    WR_DNS_AAAA = 28,
    WR_DNS_SRV = 33,
    WR_DNS_OPT_TYPE = 41,
    WR_DNS_SVCB = 64,
    WR_DNS_HTTPS = 65,
    WR_DNS_IXFR = 251,
    WR_DNS_AXFR = 252,
    WR_DNS_ANY = 255,
    WR_DNS_CAA = 257,
};
#define WR_DNS_CLASS_IN 1

enum wr_dns_rcode {
    WR_DNS_NOERROR = 0,
    WR_DNS_FORMERR = 1,
    WR_DNS_SERVFAIL = 2,
    WR_DNS_NXDOMAIN = 3,
    WR_DNS_NOTIMP = 4,
    WR_DNS_REFUSED = 5,
    WR_DNS_BADVERS = 16, /* the upper bits are said in the OPT record */
};

struct wr_dns_question {
    uint16_t id, type, class;
    bool recursion; /* was desired; repeated in the answer */
    bool edns;
    uint16_t udp_size;              /* the largest answer by UDP, within the bounds above */
    char name[WR_DNS_MAX_NAME + 1]; /* in lower case, without a dot at the end; "" is the root */
    unsigned char wire[WR_DNS_MAX_WIRE]; /* the name as it was asked */
    size_t wire_len;                     /* 0: there was no name that could be read */
};

/* Strict: one question and at most one OPT record, nothing else, names of letters, digits, '-' and
 * '_' without compression, no byte behind the end. 0; or the rcode to answer with, then only `id`,
 * `recursion` and `edns` of `*ret` mean something; or -EINVAL for what gets no answer (no header,
 * or an answer itself). */
int wr_dns_parse_question(const unsigned char *data, size_t len, struct wr_dns_question *ret)
    WR_MUST_CHECK;

/* An answer of our own. */
struct wr_dns_reply {
    enum wr_dns_rcode rcode;
    const struct wr_ip *addresses; /* of the question's type, A or AAAA; others are left out */
    size_t count;                  /* at most WR_DNS_REPLY_ADDRESSES are used */
    uint32_t ttl_s;
};
#define WR_DNS_REPLY_ADDRESSES 16
#define WR_DNS_REPLY_MAX \
    (WR_DNS_HEADER + WR_DNS_MAX_WIRE + 4 + WR_DNS_REPLY_ADDRESSES * (12 + 16) + WR_DNS_OPT)

/* Writes at most WR_DNS_REPLY_MAX bytes to `out` and returns their number. What is larger than
 * `max` (at least WR_DNS_UDP_MIN) becomes an empty answer that says "truncated". */
size_t wr_dns_build_reply(const struct wr_dns_question *question, const struct wr_dns_reply *reply,
                          size_t max, unsigned char out[static WR_DNS_REPLY_MAX]);
/* The parts of it, for answers that are put together elsewhere: header and question (with
 * `answers` and `authorities` records to follow), and the OPT record if the question had one. */
size_t wr_dns_write_head(const struct wr_dns_question *question, enum wr_dns_rcode rcode,
                         bool truncated, uint16_t answers, uint16_t authorities,
                         unsigned char *out);
size_t wr_dns_write_opt(const struct wr_dns_question *question, enum wr_dns_rcode rcode,
                        unsigned char *out);

/* A host name as it stands in a message. Its length, or 0 when it is none (see
 * wr_dns_parse_question). */
size_t wr_dns_name_to_wire(const char *name, unsigned char out[static WR_DNS_MAX_WIRE]);
#define WR_DNS_QUERY_MAX (WR_DNS_HEADER + WR_DNS_MAX_WIRE + 4 + WR_DNS_OPT)
/* A question to a resolver of the host, with recursion and EDNS. Its length. */
size_t wr_dns_build_query(uint16_t id, const unsigned char *wire, size_t wire_len, uint16_t type,
                          unsigned char out[static WR_DNS_QUERY_MAX]);

/* "A", "TXT", ...; "TYPE<number>" for what has no name here. `out` holds WR_DNS_TYPE_TEXT bytes. */
#define WR_DNS_TYPE_TEXT 12
void wr_dns_type_text(uint16_t type, char out[static WR_DNS_TYPE_TEXT]);
/* "NXDOMAIN", ...; static. */
const char *wr_dns_rcode_text(int rcode);

static inline uint16_t wr_dns_get16(const unsigned char *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t wr_dns_get32(const unsigned char *p)
{
    return (uint32_t)wr_dns_get16(p) << 16 | wr_dns_get16(p + 2);
}
