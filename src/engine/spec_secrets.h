/* What of a specification only the agent gets: environment and tokens. */
#pragma once

#include "engine/spec.h"

struct wr_spec_secrets {
    json_t *env;                              /* borrowed from the payload; NULL: none */
    const char *access_token, *control_token; /* the same */
};

#define WR_SPEC_SECRET_FIELDS(secrets)                                                    \
    {.name = "envVars", .kind = WR_JSON_OBJECT, .ret = &(secrets)->env},                  \
        {.name = "accessToken", .kind = WR_JSON_STRING, .ret = &(secrets)->access_token}, \
    {                                                                                     \
        .name = "controlToken", .kind = WR_JSON_STRING, .ret = &(secrets)->control_token  \
    }

int wr_spec_secrets_check(const struct wr_spec_secrets *secrets, struct wr_error *err)
    WR_MUST_CHECK;
/* Validates them and puts them into `spec`, in place of those that it has. `spec` is untouched on
 * failure. */
int wr_spec_secrets_adopt(const struct wr_spec_secrets *secrets, struct wr_spec *spec,
                          struct wr_error *err) WR_MUST_CHECK;
/* The agent has them now, or nobody needs them. */
void wr_spec_secrets_forget(struct wr_spec *spec);
