/*
 * What a Host field says: which sandbox and port (`<port>-<id>[-anything].<any domain>`), the
 * control API (`api.<domain>`), or nothing, so that headers may say it. Pure functions of the text.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

/* Where a request goes. */
struct wr_ingress_route {
    char id[64]; /* lower-case letters and digits; need not be an id that exists */
    uint16_t port;
};

/* The texts of the 400 answers. */
#define WR_INGRESS_BAD_HOST "Invalid host"
#define WR_INGRESS_BAD_ID   "Invalid sandbox ID"
#define WR_INGRESS_BAD_PORT "Invalid sandbox port"
#define WR_INGRESS_MISSING  "missing header"

enum wr_host_kind {
    WR_HOST_NAME = 0,   /* the leftmost label routes */
    WR_HOST_DIRECT = 1, /* localhost, an IP literal, or sandbox.<domain>: headers may route */
    WR_HOST_API = 2,    /* api.<domain> */
};

/* `host` may carry a port; `domain` too, and may be NULL. Letters compare without case. */
enum wr_host_kind wr_host_kind(const char *host, size_t len, const char *domain);
/* Reads the leftmost label. NULL, or the text of the 400 answer with `ret` untouched. */
const char *wr_host_route(const char *host, size_t len, struct wr_ingress_route *ret) WR_MUST_CHECK;
/* A port from its decimal digits: 1 to 65535. */
bool wr_host_port(const char *text, size_t len, uint16_t *ret) WR_MUST_CHECK;
/* Copies an id of one to 63 characters [a-z0-9]. False when it is none. */
bool wr_host_id(const char *text, size_t len, struct wr_ingress_route *ret) WR_MUST_CHECK;
