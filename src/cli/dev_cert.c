#include "cli/dev_cert.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/str.h"
#include "tls/certificate.h"

void wr_dev_pair_done(struct wr_dev_pair *pair)
{
    if (pair->key.data)
        explicit_bzero(pair->key.data, pair->key.cap);
    wr_buf_done(&pair->key);
    wr_buf_done(&pair->cert);
}

/* A certificate and its key as texts. */
static int make(const struct wr_certificate_spec *spec, struct wr_dev_pair *ret,
                struct wr_error *err)
{
    wr_auto_cert *cert = NULL;
    wr_auto_cert_key *key = NULL;

    int r = wr_certificate_make(spec, &cert, &key, err);
    return r < 0 ? r : wr_certificate_write(cert, key, &ret->cert, &ret->key, err);
}

int wr_dev_ca_make(struct wr_dev_pair *ret, struct wr_error *err)
{
    const struct wr_certificate_spec spec = {.common_name = "Warren development authority",
                                             .days = WR_DEV_CA_DAYS};

    return make(&spec, ret, err);
}

int wr_dev_ca_check(struct wr_dev_pair *ca, struct wr_error *err)
{
    wr_auto_cert *cert = NULL;
    wr_auto_cert_key *key = NULL;

    int r = wr_certificate_read_authority(&ca->cert, &ca->key, &cert, &key, err);
    if (r < 0)
        return r;
    if (wr_certificate_days_left(cert) < WR_DEV_LEAF_DAYS)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the authority ends before a new certificate would; remove its certificate "
                       "and key to have new ones made, and trust it again");
    return 0;
}

int wr_dev_leaf_make(struct wr_dev_pair *ca, const char *domain, struct wr_dev_pair *ret,
                     struct wr_error *err)
{
    struct wr_certificate_spec spec = {.common_name = domain, .days = WR_DEV_LEAF_DAYS};
    wr_auto_cert *issuer = NULL;
    wr_auto_cert_key *issuer_key = NULL;
    char names[700];

    int r = wr_certificate_read_authority(&ca->cert, &ca->key, &issuer, &issuer_key, err);
    if (r < 0)
        return r;
    if (!wr_strformat(names, sizeof names,
                      "DNS:%s,DNS:*.%s,DNS:localhost,DNS:*.localhost,IP:127.0.0.1,IP:::1", domain,
                      domain))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the domain is too long");
    spec.alt_names = names;
    spec.issuer = issuer;
    spec.issuer_key = issuer_key;
    return make(&spec, ret, err);
}

bool wr_dev_signed_by(const char *leaf_pem, const char *ca_pem)
{
    wr_auto_cert *leaf = wr_certificate_read(leaf_pem, strlen(leaf_pem));
    wr_auto_cert *ca = wr_certificate_read(ca_pem, strlen(ca_pem));
    EVP_PKEY *key = ca ? X509_get0_pubkey(ca) : NULL;
    bool is_signed =
        leaf && key && X509_check_issued(ca, leaf) == X509_V_OK && X509_verify(leaf, key) == 1;

    ERR_clear_error();
    return is_signed;
}
