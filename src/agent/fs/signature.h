/* Signed links to files: who has one may read or write that file without the token. */
#pragma once

#include "base/base.h"

#define WR_SIGNATURE_LEN 46 /* "v1_" and 43 digits of base64 */

/* `operation` is "read" or "write"; path and user as in the query, "" when it has none;
 * `expires` in seconds since 1970, NULL for never. */
struct wr_signed_link {
    const char *path, *operation, *user;
    const int64_t *expires;
};

/* The signature that whoever knows `token` makes for it. */
void wr_signature(const struct wr_signed_link *link, const char *token,
                  char out[static WR_SIGNATURE_LEN + 1]);
