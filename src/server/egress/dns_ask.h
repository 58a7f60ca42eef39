/*
 * One question of a sandbox: judged, answered at once or when the resolver has, and logged. Where
 * it came from and how the answer goes back is its asker's matter (dns.c for UDP, dns_tcp.c).
 */
#pragma once

#include "server/egress/dns.h"
#include "server/egress/dns_message.h"

struct wr_dns_ask {
    struct wr_list link; /* of dns->asks */
    struct wr_dns *dns;
    size_t max; /* bytes of the largest answer */
    /* Called once, maybe before wr_dns_ask_begin() returns; the question is over behind it.
     * `message` NULL: it gets no answer. */
    void (*answer)(struct wr_dns_ask *ask, const unsigned char *message, size_t len);
    union {
        struct {
            struct sockaddr_storage from, to;
            socklen_t from_len;
            int fd;
        } udp;
        void *connection;
    };
    /* private: */
    struct wr_dns_question question;
    struct wr_net_policy *policy; /* held: the one that has allowed it */
    char rule[WR_POLICY_RULE_TEXT];
    struct wr_resolve resolve;
    struct wr_resolve_raw raw;
};

/* Zeroed memory for the caller to fill in `max`, `answer` and the origin; NULL without memory. */
struct wr_dns_ask *wr_dns_ask_new(struct wr_dns *dns, bool tcp) WR_MUST_CHECK;
/* Takes over the question; the message is copied as far as it is needed. */
void wr_dns_ask_begin(struct wr_dns_ask *ask, const unsigned char *message, size_t len);
/* Without a call of answer. */
void wr_dns_ask_cancel(struct wr_dns_ask *ask);
