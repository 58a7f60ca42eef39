/* The settings that all TLS sessions of a listener share. Private to tls/. */
#pragma once

#include <openssl/ssl.h>

#include "base/error.h"

/* For servers: TLS 1.2 and 1.3, session tickets, ALPN http/1.1. The PEM texts are copied. Freed
 * with SSL_CTX_free(). INVALID_ARGUMENT when certificate and key are not usable. */
int wr_tls_context_new(const char *cert_pem, const char *key_pem, SSL_CTX **ret,
                       struct wr_error *err) WR_MUST_CHECK;
