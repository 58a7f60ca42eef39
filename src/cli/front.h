/*
 * What of the server can be reached from outside: addresses, domain, certificate, and the URLs that
 * follow from them. Planned and checked first, opened later; the same plan serves --check-config.
 */
#pragma once

#include "base/buf.h"
#include "cli/listen.h"
#include "cli/serve_values.h"
#include "server/config.h"

#define WR_FRONT_URL_MAX 300

struct wr_front_listener {
    enum wr_listener_kind kind;
    bool tls;
    const char *name; /* of the setting */
    struct wr_listen_addr addr;
};

struct wr_front {
    struct wr_front_listener listeners[WR_MAX_LISTENERS - 1]; /* without the Unix socket */
    size_t count;
    struct wr_server_config config; /* its strings are those below, or the settings' */
    struct wr_buf cert, key;        /* PEM with NUL; the key is wiped at the end */
    struct wr_buf egress_ca;        /* PEM with NUL */
    char public_domain[WR_FRONT_URL_MAX], api_url[WR_FRONT_URL_MAX], sandbox_url[WR_FRONT_URL_MAX];
    char *state_dir, *ca_path; /* owned */
};

/* Reads addresses, domain and certificate, opens nothing. `values` must outlive `ret`, which is
 * given to wr_front_done() whatever this returns. INVALID_ARGUMENT names the setting. */
int wr_front_plan(const struct wr_serve_values *values, struct wr_front *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Opens the sockets into specs[0..count) and fills in the URLs; on failure none stays open. */
int wr_front_open(struct wr_front *front, struct wr_listen_spec *specs, struct wr_error *err)
    WR_MUST_CHECK;
/* Accepts a zeroed struct. */
void wr_front_done(struct wr_front *front);
