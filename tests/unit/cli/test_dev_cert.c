#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "cli/dev_cert.h"
#include "test.h"

static struct wr_error err;
static struct wr_dev_pair ca = WR_DEV_PAIR, leaf = WR_DEV_PAIR;

static void make(const char *domain)
{
    CHECK_INT(wr_dev_ca_make(&ca, &err), 0);
    CHECK_INT(wr_dev_leaf_make(&ca, domain, &leaf, &err), 0);
}

static X509 *read_cert(struct wr_buf *pem)
{
    BIO *bio = BIO_new_mem_buf(wr_buf_cstr(pem), (int)pem->len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    CHECK(cert);
    return cert;
}

/* As a strict client does it. */
static int verify(X509 *cert, X509 *authority, const char *host)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    CHECK(X509_STORE_add_cert(store, authority) == 1);
    CHECK(X509_STORE_CTX_init(ctx, store, cert, NULL) == 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
    CHECK(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) == 1);
    if (strspn(host, "0123456789.:") == strlen(host))
        CHECK(X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1);
    else
        CHECK(X509_VERIFY_PARAM_set1_host(param, host, 0) == 1);
    int ok = X509_verify_cert(ctx);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    return ok;
}

TEST(strict_clients_accept_its_names)
{
    static const char *const names[] = {"sbx.test",  "api.sbx.test", "49983-abc.sbx.test",
                                        "localhost", "127.0.0.1",    "::1"};
    static const char *const others[] = {"sbx.example", "a.b.sbx.test", "test", "127.0.0.2"};

    make("sbx.test");
    X509 *cert = read_cert(&leaf.cert), *authority = read_cert(&ca.cert);
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (verify(cert, authority, names[i]) != 1)
            wr_test_fail(__FILE__, __LINE__, "%s is refused", names[i]);
    for (size_t i = 0; i < WR_ARRAY_SIZE(others); i++)
        if (verify(cert, authority, others[i]) != 0)
            wr_test_fail(__FILE__, __LINE__, "%s is accepted", others[i]);
    X509_free(cert);
    X509_free(authority);
}

TEST(what_clients_look_at)
{
    int days = 0, seconds = 0;

    make("sbx.test");
    X509 *cert = read_cert(&leaf.cert), *authority = read_cert(&ca.cert);
    CHECK_INT(X509_get_version(cert), X509_VERSION_3);
    CHECK_INT(X509_check_ca(cert), 0);
    CHECK_INT(X509_check_ca(authority), 1);
    CHECK_INT(X509_get_pathlen(authority), 0);
    CHECK_INT(X509_get_key_usage(cert), X509v3_KU_DIGITAL_SIGNATURE);
    CHECK_INT(X509_get_extended_key_usage(cert), XKU_SSL_SERVER);
    CHECK(X509_get0_subject_key_id(cert) && X509_get0_authority_key_id(cert));
    CHECK(ASN1_OCTET_STRING_cmp(X509_get0_authority_key_id(cert),
                                X509_get0_subject_key_id(authority)) == 0);
    CHECK(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(cert), X509_get0_notAfter(cert)));
    CHECK_INT(days, WR_DEV_LEAF_DAYS);
    CHECK_INT(seconds, 0);
    CHECK_INT(X509_get_signature_nid(cert), NID_ecdsa_with_SHA256);
    X509_free(cert);
    X509_free(authority);
}

TEST(key_belongs_to_certificate)
{
    make("sbx.test");
    BIO *bio = BIO_new_mem_buf(wr_buf_cstr(&leaf.key), (int)leaf.key.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    X509 *cert = read_cert(&leaf.cert);
    CHECK(key && X509_check_private_key(cert, key) == 1);
    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(bio);
}

TEST(renewal_keeps_the_authority)
{
    struct wr_dev_pair again = WR_DEV_PAIR, other = WR_DEV_PAIR;

    make("sbx.test");
    CHECK_INT(wr_dev_ca_check(&ca, &err), 0);
    CHECK_INT(wr_dev_leaf_make(&ca, "sbx.test", &again, &err), 0);
    CHECK(strcmp(wr_buf_cstr(&leaf.cert), wr_buf_cstr(&again.cert)) != 0);
    CHECK(wr_dev_signed_by(wr_buf_cstr(&leaf.cert), wr_buf_cstr(&ca.cert)));
    CHECK(wr_dev_signed_by(wr_buf_cstr(&again.cert), wr_buf_cstr(&ca.cert)));
    /* Another authority has the same name and did not sign. */
    CHECK_INT(wr_dev_ca_make(&other, &err), 0);
    CHECK(!wr_dev_signed_by(wr_buf_cstr(&leaf.cert), wr_buf_cstr(&other.cert)));
    CHECK(!wr_dev_signed_by("", wr_buf_cstr(&ca.cert)));
    CHECK(!wr_dev_signed_by(wr_buf_cstr(&leaf.cert), "no certificate"));
    wr_dev_pair_done(&again);
    wr_dev_pair_done(&other);
}

TEST(foreign_key_is_refused)
{
    struct wr_dev_pair other = WR_DEV_PAIR, mixed = WR_DEV_PAIR;

    make("sbx.test");
    CHECK_INT(wr_dev_ca_make(&other, &err), 0);
    CHECK_INT(wr_buf_append(&mixed.cert, wr_buf_ptr(&ca.cert), ca.cert.len), 0);
    CHECK_INT(wr_buf_append(&mixed.key, wr_buf_ptr(&other.key), other.key.len), 0);
    CHECK_INT(wr_dev_ca_check(&mixed, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "do not belong together"));
    CHECK_INT(wr_dev_leaf_make(&mixed, "sbx.test", &other, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_dev_ca_check(&leaf, &err), -WR_E_FAILED_PRECONDITION); /* no authority */
    wr_dev_pair_done(&other);
    wr_dev_pair_done(&mixed);
}

TEST(long_domain)
{
    char domain[254];

    for (size_t i = 0; i < 253; i++)
        domain[i] = i % 10 == 9 ? '.' : 'a';
    domain[253] = '\0';
    make(domain);
    X509 *cert = read_cert(&leaf.cert);
    CHECK_INT(X509_check_host(cert, domain, 0, 0, NULL), 1);
    X509_free(cert);
}
