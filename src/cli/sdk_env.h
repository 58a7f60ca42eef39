/* The environment that makes E2B's SDKs talk to a server of ours. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

#define WR_SDK_ENV_MAX 6

/* Where a server can be reached, as struct wr_server_config and GET /version have it. */
struct wr_sdk_target {
    const char *api_url, *sandbox_url; /* NULL where nothing listens */
    const char *domain;                /* NULL in plain mode */
    bool tls;
    const char *ca_file; /* authority that the client has to trust, or NULL */
};

struct wr_sdk_env {
    struct {
        const char *name;
        char *value; /* owned */
    } vars[WR_SDK_ENV_MAX];
    size_t count;
};

/* `ret` is zeroed, and given to wr_sdk_env_done() whatever this returns. With a domain and TLS the
 * SDKs need no more than the domain. */
int wr_sdk_env_make(const char *key, const struct wr_sdk_target *target, struct wr_sdk_env *ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* Lines "export NAME=value", quoted where a shell needs it. */
void wr_sdk_env_print(FILE *out, const struct wr_sdk_env *env);
/* Wipes the key. */
void wr_sdk_env_done(struct wr_sdk_env *env);
