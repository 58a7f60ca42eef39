/* DNS messages made by hand, and a DNS server in the test's own loop, on 127.0.0.1. */
#pragma once

#include "loop/loop.h"
#include "server/egress/dns_message.h"
#include "test.h"

#define DNS_QR 0x8000
#define DNS_TC 0x0200
#define DNS_RD 0x0100

struct message {
    unsigned char data[WR_DNS_MAX_MESSAGE];
    size_t len;
};

/* Header and, unless `name` is NULL, a question of class IN. */
void message_begin(struct message *m, uint16_t id, uint16_t flags, const char *name, uint16_t type);
void message_bytes(struct message *m, const void *data, size_t len);
void message_u16(struct message *m, uint16_t value);
/* Any bytes between the dots; "" is the root. */
void message_name(struct message *m, const char *name);
/* A record of the given section (0 to 2). `name` NULL: a pointer to the question's. */
void message_record(struct message *m, unsigned section, const char *name, uint16_t type,
                    uint32_t ttl_s, const void *data, size_t len);
void message_address(struct message *m, const char *name, const char *address, uint32_t ttl_s);
/* A record whose data is a name. */
void message_alias(struct message *m, unsigned section, const char *name, uint16_t type,
                   uint32_t ttl_s, const char *target);
/* An OPT record without options. */
void message_opt(struct message *m, uint16_t udp_size);

struct fake_dns;
/* Makes an answer; one of length 0 is not sent. `begin` was called already with the question's
 * id. */
typedef void (*fake_dns_fn)(struct fake_dns *server, const struct wr_dns_question *question,
                            bool tcp, struct message *answer);

struct fake_dns {
    struct wr_loop *loop;
    struct wr_source udp, tcp, connection;
    uint16_t port;
    char setting[32]; /* "127.0.0.1:<port>" */
    fake_dns_fn fn;
    unsigned asked, asked_tcp;
};

void fake_dns_start(struct fake_dns *server, struct wr_loop *loop, fake_dns_fn fn);
void fake_dns_stop(struct fake_dns *server);
