/* The action CREATE: what the engine is told about a sandbox that is to be made. */
#pragma once

#include <jansson.h>

#include "base/error.h"
#include "server/sandbox_table.h"

#define WR_CREATE_SOCKETS 4 /* spare ingress sockets that come with a new sandbox */

struct wr_buf;
struct wr_volume_mounts;

struct wr_create_spec {
    const char *template_name;                /* a valid name */
    const struct wr_store_snapshot *snapshot; /* that it is made from instead, or NULL; borrowed
                                                 during the call */
    bool fork; /* the snapshot was taken for this only: see snapshot_child.h */
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

/* What its agent demands: of its clients ("": nothing), and of whoever asks for /init ("": nobody
 * can). */
struct wr_create_tokens {
    const char *access, *control;
};
/* What both ordinary creations and blanks send with CREATE. 0 or -errno. */
int wr_create_write(struct wr_buf *out, const struct wr_create_spec *spec,
                    const struct wr_create_tokens *tokens, bool blank) WR_MUST_CHECK;
void wr_create_token(char out[static WR_TOKEN_LEN + 1]);
