/*
 * Making certificates: authorities and what they sign, EC P-256 and SHA-256. For authorities of
 * this installation only; nothing is stored here.
 */
#pragma once

#include <openssl/x509.h>

#include "base/buf.h"
#include "base/error.h"

void wr_certificate_free_ptr(X509 **cert);
void wr_certificate_key_free_ptr(EVP_PKEY **key);
#define wr_auto_cert     WR_CLEANUP(wr_certificate_free_ptr) X509
#define wr_auto_cert_key WR_CLEANUP(wr_certificate_key_free_ptr) EVP_PKEY

struct wr_certificate_spec {
    const char *common_name; /* cut to what X.520 allows */
    long days;
    /* Of a leaf; an authority has none of them and signs itself. `alt_names` as OpenSSL's
     * configuration has them: "DNS:a.test,IP:127.0.0.1", of names without ',' or ':'. */
    const char *alt_names;
    X509 *issuer;
    EVP_PKEY *issuer_key;
};

/* A certificate with a key of its own; both become the caller's. */
int wr_certificate_make(const struct wr_certificate_spec *spec, X509 **ret_cert, EVP_PKEY **ret_key,
                        struct wr_error *err) WR_MUST_CHECK;
/* Appends to `cert` (`key` without a password to `key`, which may be the same buffer). */
int wr_certificate_write(X509 *cert, EVP_PKEY *key, struct wr_buf *cert_pem, struct wr_buf *key_pem,
                         struct wr_error *err) WR_MUST_CHECK;
/* The first of each in the texts. FAILED_PRECONDITION when they are not an authority with its key.
 */
int wr_certificate_read_authority(const struct wr_buf *cert_pem, const struct wr_buf *key_pem,
                                  X509 **ret_cert, EVP_PKEY **ret_key, struct wr_error *err)
    WR_MUST_CHECK;
/* The first certificate of a text, owned; NULL. */
X509 *wr_certificate_read(const char *pem, size_t len) WR_MUST_CHECK;
/* Whole days until it ends; negative afterwards. */
int wr_certificate_days_left(const X509 *cert);
