/* Where a Redis is: "redis://[user:password@]host[:6379][/db]" or
 * "unix://[user:password@]/path[?db=number]"; the parts are percent-encoded. */
#pragma once

#include "client/url.h"

#define WR_REDIS_SECRET_MAX 256 /* bytes of user and password each, with NUL */

struct wr_redis_target {
    char host[WR_URL_HOST_MAX]; /* "": `path` */
    uint16_t port;
    char path[108]; /* of a Unix socket; as sockaddr_un has it */
    char user[WR_REDIS_SECRET_MAX], password[WR_REDIS_SECRET_MAX]; /* "": none */
    unsigned db;
};

/* INVALID_ARGUMENT; the text is not told, it may hold a password. */
int wr_redis_url_parse(const char *url, struct wr_redis_target *ret, struct wr_error *err)
    WR_MUST_CHECK;
