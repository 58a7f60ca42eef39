#include "tls/context.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"

#define MAX_INTERMEDIATES 16
#define MAX_ROOTS         256

static int fail(struct wr_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "TLS: %s%s%s", what, reason ? ": " : "",
                   reason ? reason : "");
}

/* An encrypted key must not make the server ask a terminal. */
static int no_password(char *out, int cap, int for_writing, void *data)
{
    (void)out;
    (void)cap;
    (void)for_writing;
    (void)data;
    return -1;
}

static void free_bio(BIO **bio)
{
    BIO_free_all(*bio);
}

static void free_x509(X509 **certificate)
{
    X509_free(*certificate);
}

static void free_key(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static void free_context(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static int use_certificates(SSL_CTX *context, const char *pem, struct wr_error *err)
{
    WR_CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    WR_CLEANUP(free_x509)
    X509 *leaf = bio ? PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL) : NULL;

    if (!leaf)
        return fail(err, "the certificate is not readable; it has to be PEM");
    if (SSL_CTX_use_certificate(context, leaf) != 1)
        return fail(err, "the certificate is not usable");
    for (unsigned i = 0; i < MAX_INTERMEDIATES; i++) {
        X509 *next = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!next) {
            /* The end of the text is reported as an error too. */
            bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            if (!end)
                return fail(err, "an intermediate certificate is not readable");
            ERR_clear_error();
            return 0;
        }
        if (SSL_CTX_add0_chain_cert(context, next) != 1) {
            X509_free(next);
            return fail(err, "an intermediate certificate is not usable");
        }
    }
    return fail(err, "too many intermediate certificates");
}

static int use_key(SSL_CTX *context, const char *pem, struct wr_error *err)
{
    WR_CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);
    WR_CLEANUP(free_key)
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;

    if (!key)
        return fail(err, "the private key is not readable; it has to be PEM without a password");
    if (SSL_CTX_use_PrivateKey(context, key) != 1 || SSL_CTX_check_private_key(context) != 1)
        return fail(err, "the private key does not belong to the certificate");
    return 0;
}

/* A client that offers ALPN without http/1.1 would not understand a word. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *offered, unsigned offered_len, void *data)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;

    (void)ssl;
    (void)data;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int new_context(const SSL_METHOD *method, SSL_CTX **ret, struct wr_error *err)
{
    SSL_CTX *context = SSL_CTX_new(method);

    ERR_clear_error();
    if (!context || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(context);
        return fail(err, "OpenSSL does not start");
    }
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    /* Tickets need no memory of the server. */
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    *ret = context;
    return 0;
}

static int new_server_context(SSL_CTX **ret, struct wr_error *err)
{
    int r = new_context(TLS_server_method(), ret, err);

    if (r < 0)
        return r;
    SSL_CTX_set_options(*ret, SSL_OP_CIPHER_SERVER_PREFERENCE |
                                  /* Many clients end without close_notify; HTTP's own framing tells
                                     whether a request is whole. */
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_num_tickets(*ret, 1);
    SSL_CTX_set_alpn_select_cb(*ret, choose_protocol, NULL);
    return 0;
}

int wr_tls_context_new(const char *cert_pem, const char *key_pem, SSL_CTX **ret,
                       struct wr_error *err)
{
    WR_CLEANUP(free_context) SSL_CTX *context = NULL;
    int r = new_server_context(&context, err);

    if (r == 0)
        r = use_certificates(context, cert_pem, err);
    if (r == 0)
        r = use_key(context, key_pem, err);
    if (r == 0)
        *ret = wr_steal_ptr(&context);
    return r;
}

int wr_tls_context_of(X509 *cert, EVP_PKEY *key, SSL_CTX **ret, struct wr_error *err)
{
    WR_CLEANUP(free_context) SSL_CTX *context = NULL;
    int r = new_server_context(&context, err);

    if (r == 0 &&
        (SSL_CTX_use_certificate(context, cert) != 1 || SSL_CTX_use_PrivateKey(context, key) != 1))
        r = fail(err, "the certificate is not usable");
    if (r == 0)
        *ret = wr_steal_ptr(&context);
    return r;
}

/* Each certificate of the text becomes a root. */
static int add_roots(SSL_CTX *context, const char *pem, struct wr_error *err)
{
    WR_CLEANUP(free_bio) BIO *bio = BIO_new_mem_buf(pem, -1);

    for (unsigned i = 0; bio && i < MAX_ROOTS; i++) {
        WR_CLEANUP(free_x509) X509 *root = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!root) {
            bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
            if (!end || i == 0)
                return fail(err, "a root certificate is not readable; it has to be PEM");
            ERR_clear_error();
            return 0;
        }
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root) != 1)
            return fail(err, "a root certificate is not usable");
    }
    return fail(err, "too many root certificates");
}

int wr_tls_client_context_new(const char *ca_pem, SSL_CTX **ret, struct wr_error *err)
{
    static const unsigned char protocols[] = "\x08http/1.1";
    WR_CLEANUP(free_context) SSL_CTX *context = NULL;
    int r = new_context(TLS_client_method(), &context, err);

    if (r == 0 && (SSL_CTX_set_default_verify_paths(context) != 1 ||
                   SSL_CTX_set_alpn_protos(context, protocols, sizeof protocols - 1) != 0))
        r = fail(err, "the roots of this host are not readable");
    if (r == 0 && ca_pem)
        r = add_roots(context, ca_pem, err);
    if (r < 0)
        return r;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    *ret = wr_steal_ptr(&context);
    return 0;
}

int wr_tls_check(const char *cert_pem, const char *key_pem, struct wr_error *err)
{
    SSL_CTX *context = NULL;
    int r = wr_tls_context_new(cert_pem, key_pem, &context, err);

    SSL_CTX_free(context);
    return r;
}
