/*
 * The installation's own certificate authority for domains with a transform: made when it is first
 * needed, kept in one file of the server's user, and never used for anything else. It signs a
 * certificate for each name that is intercepted; those live in memory only.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/error.h"

#define WR_AUTHORITY_FILE     "egress-ca.pem"
#define WR_AUTHORITY_DAYS     3650
#define WR_AUTHORITY_MIN_DAYS 30 /* one that ends sooner is not used */
#define WR_LEAF_DAYS          7
#define WR_LEAF_MIN_DAYS      1   /* a kept one that ends sooner is made anew */
#define WR_LEAF_CACHE         256 /* names */
#define WR_AUTHORITY_HASH     8   /* hex characters */

struct wr_authority;

/* Reads <state_dir>/egress-ca.pem, or makes it (0600, durable). FAILED_PRECONDITION when the file
 * is not usable. */
int wr_authority_open(const char *state_dir, struct wr_authority **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Wipes the keys. Accepts NULL, returns NULL. */
struct wr_authority *wr_authority_free(struct wr_authority *authority);
/* Its certificate, PEM. */
const char *wr_authority_pem(const struct wr_authority *authority);
/* What a server that says to be `name` (a host name in lower case) shows its clients; borrowed
 * until the next call. INVALID_ARGUMENT when it is no host name. */
int wr_authority_context(struct wr_authority *authority, const char *name, SSL_CTX **ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* The name under which OpenSSL looks for the certificate in a directory, without ".0": 8 hex
 * characters. False when `pem` has no certificate. */
bool wr_authority_hash(const char *pem, char out[static WR_AUTHORITY_HASH + 1]);
