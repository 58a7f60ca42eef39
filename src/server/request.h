/* One request of the control API, as its handler sees it. */
#pragma once

#include "server/auth/auth.h"

struct wr_server;

#define WR_REQUEST_ID_LEN 16

/* `data` of every handler in the API's route tables. Lives during the handler's call only: what
 * goes on later (server/api/op.h) copies what it needs. */
struct wr_api_request {
    struct wr_server *server;
    struct wr_principal who;
    bool pair;       /* the client's socket is a Unix one, TLS or not: see relay.h */
    uint64_t number; /* of the request, as in X-Request-Id and in log lines */
};

/* The number as clients and log lines have it: 16 hex characters; `out` holds 17 bytes. Returns
 * `out`. */
const char *wr_request_id(uint64_t number, char out[static WR_REQUEST_ID_LEN + 1]);
