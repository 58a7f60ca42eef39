/*
 * A local TCP listener whose connections reach one port of a sandbox: each becomes an upgraded
 * request of its own to the server (GET /sandboxes/{id}/ports/{port}) and then a relay.
 */
#pragma once

#include "client/transport.h"

#define WR_FORWARD_MAX_CONNECTIONS 512 /* more wait in the listener's queue */
#define WR_FORWARD_CHECK_MS        2000 /* how often it is asked whether the sandbox is still there */

struct wr_forward_opts {
    struct wr_transport *client; /* borrowed */
    const char *sandbox_id;      /* borrowed */
    uint16_t port;
    int listen_fd; /* non-blocking; borrowed */
    /* A connection could not be made, although the sandbox is there; may be NULL. */
    void (*on_refused)(const struct wr_error *error);
};

/* Returns 0 when the client was interrupted (client.h), NOT_FOUND when the sandbox is gone,
 * UNAVAILABLE without the server. Open connections are reset. */
int wr_forward_run(const struct wr_forward_opts *opts, struct wr_error *err) WR_MUST_CHECK;
