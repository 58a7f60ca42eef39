#include "cli/dev_cert.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/str.h"

#define SERIAL_BYTES  16
#define CLOCK_SLACK_S 3600 /* clients whose clock is a little behind */
#define DAY_S         86400
#define CN_MAX        64 /* X.520 */

static void bio_done(BIO **bio)
{
    BIO_free(*bio);
}
static void cert_done(X509 **cert)
{
    X509_free(*cert);
}
static void key_done(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}
#define auto_bio  WR_CLEANUP(bio_done) BIO
#define auto_cert WR_CLEANUP(cert_done) X509
#define auto_key  WR_CLEANUP(key_done) EVP_PKEY

static int fail_ssl(struct wr_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return wr_fail(err, WR_E_INTERNAL, 0, "%s: %s", what, reason ? reason : "OpenSSL failed");
}

void wr_dev_pair_done(struct wr_dev_pair *pair)
{
    if (pair->key.data)
        explicit_bzero(pair->key.data, pair->key.cap);
    wr_buf_done(&pair->key);
    wr_buf_done(&pair->cert);
}

/* ---- PEM ---- */

static X509 *read_cert(const char *pem, size_t len)
{
    auto_bio *bio = BIO_new_mem_buf(pem, (int)len);
    return bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
}

static EVP_PKEY *read_key(const struct wr_buf *pem)
{
    auto_bio *bio = BIO_new_mem_buf(wr_buf_ptr(pem), (int)pem->len);
    return bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
}

static int append_bio(struct wr_buf *out, BIO *bio, struct wr_error *err)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    if (len <= 0 || wr_buf_append(out, text, (size_t)len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "certificate");
    return 0;
}

static int write_pair(struct wr_dev_pair *ret, X509 *cert, EVP_PKEY *key, struct wr_error *err)
{
    auto_bio *cert_bio = BIO_new(BIO_s_mem());
    auto_bio *key_bio = BIO_new(BIO_s_secmem());

    if (!cert_bio || !key_bio || !PEM_write_bio_X509(cert_bio, cert) ||
        !PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL))
        return fail_ssl(err, "write the certificate");
    int r = append_bio(&ret->cert, cert_bio, err);
    return r < 0 ? r : append_bio(&ret->key, key_bio, err);
}

/* ---- making ---- */

static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number = NULL;

    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] &= 0x7f; /* positive in DER */
    bytes[0] |= 0x40; /* and never short */
    number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
    BN_free(number);
    return done;
}

static bool add_name(X509_NAME *name, const char *field, const char *text)
{
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, (const unsigned char *)text, -1,
                                      -1, 0) == 1;
}

struct extension {
    int nid;
    const char *value;
};

static bool add_extensions(X509 *cert, X509 *issuer, const struct extension *list, size_t count)
{
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    for (size_t i = 0; i < count; i++) {
        X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, list[i].nid, list[i].value);
        bool added = ext && X509_add_ext(cert, ext, -1) == 1;
        X509_EXTENSION_free(ext);
        if (!added)
            return false;
    }
    return true;
}

/* All but name, extensions and signature. */
static X509 *new_cert(EVP_PKEY *key, long days)
{
    X509 *cert = X509_new();

    if (cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SLACK_S) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), days * DAY_S - CLOCK_SLACK_S) &&
        X509_set_pubkey(cert, key))
        return cert;
    X509_free(cert);
    return NULL;
}

int wr_dev_ca_make(struct wr_dev_pair *ret, struct wr_error *err)
{
    static const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    auto_key *key = EVP_EC_gen("P-256");
    auto_cert *cert = key ? new_cert(key, WR_DEV_CA_DAYS) : NULL;

    if (!cert || !add_name(X509_get_subject_name(cert), "O", "Warren") ||
        !add_name(X509_get_subject_name(cert), "CN", "Warren development authority") ||
        !X509_set_issuer_name(cert, X509_get_subject_name(cert)) ||
        !add_extensions(cert, cert, extensions, WR_ARRAY_SIZE(extensions)) ||
        X509_sign(cert, key, EVP_sha256()) == 0)
        return fail_ssl(err, "make the authority");
    return write_pair(ret, cert, key, err);
}

static int read_ca(const struct wr_dev_pair *ca, X509 **ret_cert, EVP_PKEY **ret_key,
                   struct wr_error *err)
{
    auto_cert *cert = read_cert(wr_buf_ptr(&ca->cert), ca->cert.len);
    auto_key *key = read_key(&ca->key);

    if (!cert || !key || X509_check_private_key(cert, key) != 1 || X509_check_ca(cert) != 1) {
        ERR_clear_error();
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the authority's certificate and key do not belong together; remove both "
                       "to have new ones made");
    }
    *ret_cert = cert;
    *ret_key = key;
    cert = NULL;
    key = NULL;
    return 0;
}

int wr_dev_ca_check(struct wr_dev_pair *ca, struct wr_error *err)
{
    auto_cert *cert = NULL;
    auto_key *key = NULL;
    int days = 0, seconds = 0;

    int r = read_ca(ca, &cert, &key, err);
    if (r < 0)
        return r;
    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)))
        return fail_ssl(err, "read the authority's end");
    if (days < WR_DEV_LEAF_DAYS)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the authority ends before a new certificate would; remove its certificate "
                       "and key to have new ones made, and trust it again");
    return 0;
}

int wr_dev_leaf_make(struct wr_dev_pair *ca, const char *domain, struct wr_dev_pair *ret,
                     struct wr_error *err)
{
    auto_cert *issuer = NULL;
    auto_key *issuer_key = NULL;
    char names[700];

    int r = read_ca(ca, &issuer, &issuer_key, err);
    if (r < 0)
        return r;
    if (!wr_strformat(names, sizeof names,
                      "DNS:%s,DNS:*.%s,DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1", domain,
                      domain))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the domain is too long");
    const struct extension extensions[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
        {NID_subject_alt_name, names},
    };
    auto_key *key = EVP_EC_gen("P-256");
    auto_cert *cert = key ? new_cert(key, WR_DEV_LEAF_DAYS) : NULL;
    if (!cert || !add_name(X509_get_subject_name(cert), "O", "Warren") ||
        !add_name(X509_get_subject_name(cert), "CN",
                  strlen(domain) <= CN_MAX ? domain : "development certificate") ||
        !X509_set_issuer_name(cert, X509_get_subject_name(issuer)) ||
        !add_extensions(cert, issuer, extensions, WR_ARRAY_SIZE(extensions)) ||
        X509_sign(cert, issuer_key, EVP_sha256()) == 0)
        return fail_ssl(err, "make the certificate");
    return write_pair(ret, cert, key, err);
}

bool wr_dev_signed_by(const char *leaf_pem, const char *ca_pem)
{
    auto_cert *leaf = read_cert(leaf_pem, strlen(leaf_pem));
    auto_cert *ca = read_cert(ca_pem, strlen(ca_pem));
    EVP_PKEY *key = ca ? X509_get0_pubkey(ca) : NULL;
    bool is_signed =
        leaf && key && X509_check_issued(ca, leaf) == X509_V_OK && X509_verify(leaf, key) == 1;

    ERR_clear_error();
    return is_signed;
}
