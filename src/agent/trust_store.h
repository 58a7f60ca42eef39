/*
 * The files of a sandbox's trust stores. Root of the sandbox can change them at any time and fools
 * only its own programs; what is no regular file is left alone.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define WR_TRUST_CERT   "/usr/local/share/ca-certificates/warren-egress.crt"
#define WR_TRUST_BUNDLE "/etc/ssl/certs/ca-certificates.crt"

#define WR_TRUST_HASH_LEN 8

struct wr_trust_certificate {
    char *pem; /* owned; ends with a newline; NULL: none */
    char hash[WR_TRUST_HASH_LEN + 1];
};

/* `*ret_had_bundle`: there was a list of certificates that others trust before. */
int wr_trust_store_add(const struct wr_trust_certificate *cert, bool *ret_had_bundle,
                       struct wr_error *err) WR_MUST_CHECK;
/* Removes what it can. */
int wr_trust_store_remove(const struct wr_trust_certificate *cert, struct wr_error *err)
    WR_MUST_CHECK;
