#include "tls/certificate.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define SERIAL_BYTES  16
#define CLOCK_SLACK_S 3600 /* clients whose clock is a little behind */
#define DAY_S         86400
#define CN_MAX        64 /* X.520 */

static void bio_done(BIO **bio)
{
    BIO_free(*bio);
}
#define auto_bio WR_CLEANUP(bio_done) BIO

void wr_certificate_free_ptr(X509 **cert)
{
    X509_free(*cert);
}

void wr_certificate_key_free_ptr(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

static int fail_ssl(struct wr_error *err, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    ERR_clear_error();
    return wr_fail(err, WR_E_INTERNAL, 0, "%s: %s", what, reason ? reason : "OpenSSL failed");
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

static bool set_subject(X509 *cert, const char *common_name)
{
    char text[CN_MAX + 1];

    (void)snprintf(text, sizeof text, "%s", common_name);
    return add_name(X509_get_subject_name(cert), "O", "Warren") &&
           add_name(X509_get_subject_name(cert), "CN", text);
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

static bool extend(X509 *cert, const struct wr_certificate_spec *spec)
{
    const struct extension authority[] = {
        {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
        {NID_key_usage, "critical,keyCertSign,cRLSign"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
    };
    const struct extension leaf[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
        {NID_subject_key_identifier, "hash"},
        {NID_authority_key_identifier, "keyid:always"},
        {NID_subject_alt_name, spec->alt_names},
    };

    return spec->issuer ? add_extensions(cert, spec->issuer, leaf, WR_ARRAY_SIZE(leaf))
                        : add_extensions(cert, cert, authority, WR_ARRAY_SIZE(authority));
}

/* All but the signature. */
static X509 *unsigned_cert(EVP_PKEY *key, const struct wr_certificate_spec *spec)
{
    X509 *cert = X509_new();

    if (cert && X509_set_version(cert, X509_VERSION_3) && set_serial(cert) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_SLACK_S) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), spec->days * DAY_S - CLOCK_SLACK_S) &&
        X509_set_pubkey(cert, key) && set_subject(cert, spec->common_name) &&
        X509_set_issuer_name(cert, X509_get_subject_name(spec->issuer ? spec->issuer : cert)) &&
        extend(cert, spec))
        return cert;
    X509_free(cert);
    return NULL;
}

int wr_certificate_make(const struct wr_certificate_spec *spec, X509 **ret_cert, EVP_PKEY **ret_key,
                        struct wr_error *err)
{
    wr_auto_cert_key *key = EVP_EC_gen("P-256");
    wr_auto_cert *cert = key ? unsigned_cert(key, spec) : NULL;

    if (!cert || X509_sign(cert, spec->issuer ? spec->issuer_key : key, EVP_sha256()) == 0)
        return fail_ssl(err, "make a certificate");
    *ret_cert = cert;
    *ret_key = key;
    cert = NULL;
    key = NULL;
    return 0;
}

/* ---- texts ---- */

static int append_bio(struct wr_buf *out, BIO *bio, struct wr_error *err)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    if (len <= 0 || wr_buf_append(out, text, (size_t)len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "certificate");
    return 0;
}

int wr_certificate_write(X509 *cert, EVP_PKEY *key, struct wr_buf *cert_pem, struct wr_buf *key_pem,
                         struct wr_error *err)
{
    auto_bio *cert_bio = BIO_new(BIO_s_mem());
    auto_bio *key_bio = BIO_new(BIO_s_secmem());

    if (!cert_bio || !key_bio || !PEM_write_bio_X509(cert_bio, cert) ||
        !PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL))
        return fail_ssl(err, "write the certificate");
    int r = append_bio(cert_pem, cert_bio, err);
    return r < 0 ? r : append_bio(key_pem, key_bio, err);
}

X509 *wr_certificate_read(const char *pem, size_t len)
{
    auto_bio *bio = BIO_new_mem_buf(pem, (int)len);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

    ERR_clear_error();
    return cert;
}

static EVP_PKEY *read_key(const struct wr_buf *pem)
{
    auto_bio *bio = BIO_new_mem_buf(wr_buf_ptr(pem), (int)pem->len);
    return bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
}

int wr_certificate_read_authority(const struct wr_buf *cert_pem, const struct wr_buf *key_pem,
                                  X509 **ret_cert, EVP_PKEY **ret_key, struct wr_error *err)
{
    wr_auto_cert *cert = wr_certificate_read(wr_buf_ptr(cert_pem), cert_pem->len);
    wr_auto_cert_key *key = read_key(key_pem);

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

int wr_certificate_days_left(const X509 *cert)
{
    int days = 0, seconds = 0;

    return ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(cert)) ? days : -1;
}
