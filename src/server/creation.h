/*
 * Making a sandbox for a client: from a blank that waits (blanks.h), or by the engine. Its row is
 * in the store before the client is told.
 */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "server/sandbox_table.h"

#define WR_CREATE_SOCKETS 4 /* spare ingress sockets that come with a new sandbox */

struct wr_server;
struct wr_volume_mounts;

struct wr_create_spec {
    const char *template_name; /* a valid name */
    const char *team_id;
    uint64_t timeout_ms;
    bool secure;                     /* the agent demands a token */
    bool private_traffic;            /* the ingress demands a token */
    const json_t *env_vars;          /* an object of strings, or NULL; borrowed during the call */
    json_t *settings;                /* see settings.h, or NULL; a reference is taken */
    struct wr_sandbox_limits limits; /* 0: the template's or the built-in default */
    const struct wr_volume_mounts *mounts; /* or NULL; borrowed during the call */
    bool content;     /* a sandbox of the server's own, which serves a volume's files */
    uint64_t request; /* number of the client's request, for log lines */
};

/* Exactly one of `sandbox` (owned by the table) and `error` is non-NULL. */
typedef void (*wr_create_fn)(struct wr_sandbox *sandbox, const struct wr_error *error, void *data);

/* Under an id that the engine has chosen; `fn` is called once, later. */
int wr_create_sandbox(struct wr_server *server, const struct wr_create_spec *spec, wr_create_fn fn,
                      void *data, struct wr_error *err) WR_MUST_CHECK;

/* What both ordinary creations and blanks send with CREATE; `token` "" for none. 0 or -errno. */
struct wr_buf;
int wr_create_write(struct wr_buf *out, const struct wr_create_spec *spec, const char *token,
                    bool blank) WR_MUST_CHECK;
void wr_create_token(char out[static WR_TOKEN_LEN + 1]);
