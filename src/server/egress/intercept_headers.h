/*
 * What the proxy decides about one request's head: whether it means the host that its connection
 * was admitted for, and which fields are set on it. No I/O but the caller's look-up of secrets.
 */
#pragma once

#include "base/buf.h"
#include "http/h1.h"
#include "server/egress/policy.h"

#define WR_INTERCEPT_VALUE_MAX ((size_t)16 * 1024) /* of one field with its secrets */
#define WR_INTERCEPT_FIELDS_MAX \
    ((size_t)48 * 1024)           /* of all that are set; the client's are as many at most */
#define WR_INTERCEPT_SAID_MAX 100 /* bytes of a host in texts */

/* The host that the request is for. False when it is another one than `name` and `port`, said twice
 * in different ways, or not said at all; `said` is what it says, in printable characters. */
bool wr_intercept_host_agrees(const struct wr_h1_head *head, const char *name, uint16_t port,
                              char said[static WR_INTERCEPT_SAID_MAX + 1]);

/* Appends the value of a secret. NOT_FOUND with a text that names it. */
struct wr_intercept_secrets {
    int (*find)(const char *name, struct wr_buf *out, void *data, struct wr_error *err);
    void *data;
};

/* The fields that a transform sets, each as "name\0value\0", appended to `out`, which wipes.
 * Values with a secret only with `may_be_secret`: without it those fields are left out. The texts
 * of errors name fields and secrets, never values. */
int wr_intercept_fields(const struct wr_net_transform *transform, bool may_be_secret,
                        const struct wr_intercept_secrets *secrets, struct wr_buf *out,
                        struct wr_error *err) WR_MUST_CHECK;
/* Steps through them: the next name, or NULL at the end; `*pos` begins with 0. */
const char *wr_intercept_next_field(const struct wr_buf *fields, size_t *pos, const char **value);
/* Whether the request asks to leave HTTP for a protocol that carries one conversation. Others are
 * not passed on: HTTP/2 (h2c) and TLS would carry requests for any host, which nobody checks. */
bool wr_intercept_upgrades(const struct wr_h1_head *head);
/* Whether a field of the client's request is passed on: not what belongs to its connection
 * (RFC 9110 7.6.1), and not what is set here. */
bool wr_intercept_passes(const struct wr_h1_head *head, const struct wr_h1_header *field,
                         const struct wr_buf *fields);
