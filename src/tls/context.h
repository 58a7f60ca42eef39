/* The settings that TLS sessions share: of a listener's certificate, or of a client's roots. */
#pragma once

#include <openssl/ssl.h>

#include "base/error.h"

/* For servers: TLS 1.2 and 1.3, session tickets, ALPN http/1.1. The PEM texts are copied. Freed
 * with SSL_CTX_free(). INVALID_ARGUMENT when certificate and key are not usable. */
int wr_tls_context_new(const char *cert_pem, const char *key_pem, SSL_CTX **ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* The same for objects; both are held by the context. */
int wr_tls_context_of(X509 *cert, EVP_PKEY *key, SSL_CTX **ret, struct wr_error *err) WR_MUST_CHECK;
/* For clients: TLS 1.2 and 1.3, ALPN http/1.1, and a server's certificate has to lead to a root of
 * this host or one of `ca_pem` (NULL: none). A stream that ends without close_notify is told apart.
 */
int wr_tls_client_context_new(const char *ca_pem, SSL_CTX **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Whether certificate and key belong together and are usable; nothing is opened. */
int wr_tls_check(const char *cert_pem, const char *key_pem, struct wr_error *err) WR_MUST_CHECK;
