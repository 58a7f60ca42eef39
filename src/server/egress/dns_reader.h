/*
 * Reading of answers that came from a resolver: every offset, length and pointer in them may lie.
 * Compression pointers lead strictly backwards, the number of records and of CNAME steps is
 * bounded, and the data of each record whose form is known has that form.
 */
#pragma once

#include "server/egress/dns_message.h"

#define WR_DNS_MAX_RECORDS 512
#define WR_DNS_MAX_CNAMES  12

enum wr_dns_section { WR_DNS_ANSWER = 0, WR_DNS_AUTHORITY = 1, WR_DNS_ADDITIONAL = 2 };

struct wr_dns_record {
    enum wr_dns_section section;
    unsigned char name[WR_DNS_MAX_WIRE]; /* uncompressed, in lower case */
    size_t name_len;
    uint16_t type, class;
    uint32_t ttl_s;
    size_t data;     /* offset in the message */
    size_t data_len; /* within the message */
};

struct wr_dns_reader {
    const unsigned char *message; /* borrowed */
    size_t len, at;
    uint16_t left[3]; /* records of each section */
    unsigned section;
    unsigned count;
    int rcode;
};

/* Begins to read an answer to the question (`wire` in lower case). 0, or -EBADMSG when it is
 * malformed or answers something else; `reader->rcode` then is set. */
int wr_dns_read(struct wr_dns_reader *reader, const unsigned char *message, size_t len,
                const unsigned char *wire, size_t wire_len, uint16_t type) WR_MUST_CHECK;
/* 1: a record; 0: no more, and nothing behind them; -EBADMSG. */
int wr_dns_read_next(struct wr_dns_reader *reader, struct wr_dns_record *ret) WR_MUST_CHECK;

struct wr_dns_found {
    int rcode;
    struct wr_ip addresses[WR_DNS_REPLY_ADDRESSES];
    size_t count;
    uint32_t ttl_s; /* the shortest on the way; UINT32_MAX without an address */
};

/* The addresses (type A or AAAA) that the answer has for the name, CNAMEs followed. 0 or
 * -EBADMSG. */
int wr_dns_read_addresses(const unsigned char *message, size_t len, const unsigned char *wire,
                          size_t wire_len, uint16_t type, struct wr_dns_found *ret) WR_MUST_CHECK;
/* The whole message is well-formed and answers the question. */
bool wr_dns_valid(const unsigned char *message, size_t len, const unsigned char *wire,
                  size_t wire_len, uint16_t type) WR_MUST_CHECK;
/* The offset behind the name at `at`, or 0 when it is malformed or reaches beyond `end`. */
size_t wr_dns_skip_name(const unsigned char *message, size_t end, size_t at);
