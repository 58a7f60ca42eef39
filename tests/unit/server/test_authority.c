#include <fcntl.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "server/egress/authority.h"
#include "test.h"
#include "tls/certificate.h"

#define FILE_IN_DIR "/" WR_AUTHORITY_FILE

static char dir[64], path[96];

static void make_dir(void)
{
    CHECK(wr_strcopy(dir, sizeof dir, "/tmp/test_authority.XXXXXX") && mkdtemp(dir));
    CHECK(wr_strformat(path, sizeof path, "%s%s", dir, FILE_IN_DIR));
}

static struct wr_authority *open_authority(void)
{
    struct wr_authority *authority = NULL;
    struct wr_error err = {0};

    if (wr_authority_open(dir, &authority, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return authority;
}

TEST(it_is_made_once_and_only_its_owner_can_read_it)
{
    struct stat st;
    char pem[4096];

    make_dir();
    struct wr_authority *authority = open_authority();
    CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
    CHECK(wr_strcopy(pem, sizeof pem, wr_authority_pem(authority)));
    CHECK(!strstr(pem, "PRIVATE KEY") && wr_ends_with(pem, "-----END CERTIFICATE-----\n"));
    (void)wr_authority_free(authority);
    authority = open_authority();
    CHECK_STR(wr_authority_pem(authority), pem);
    (void)wr_authority_free(authority);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

TEST(a_file_that_is_not_usable_is_named)
{
    static const char *const texts[] = {"", "nonsense",
                                        "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                        "-----END CERTIFICATE-----\n"};
    struct wr_authority *authority = NULL;
    struct wr_error err = {0};

    make_dir();
    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++) {
        CHECK_INT(wr_file_replace(AT_FDCWD, path, texts[i], strlen(texts[i]), 0600, WR_VOLATILE),
                  0);
        CHECK_INT(wr_authority_open(dir, &authority, &err), -WR_E_FAILED_PRECONDITION);
        CHECK(strstr(err.msg, WR_AUTHORITY_FILE) && strstr(err.msg, "remove"));
    }
    CHECK_INT(wr_authority_open("/nonexistent", &authority, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

/* Whether a client that trusts the authority believes that the certificate is of the name. */
static bool believes(const struct wr_authority *authority, SSL_CTX *context, const char *name)
{
    const char *pem = wr_authority_pem(authority);
    wr_auto_cert *root = wr_certificate_read(pem, strlen(pem));
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *check = X509_STORE_CTX_new();

    CHECK(root && store && check && X509_STORE_add_cert(store, root) == 1);
    CHECK(X509_STORE_CTX_init(check, store, SSL_CTX_get0_certificate(context), NULL) == 1);
    X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(check);
    CHECK(X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER) == 1);
    CHECK(X509_VERIFY_PARAM_set1_host(param, name, 0) == 1);
    CHECK(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT) == 1);
    bool valid = X509_verify_cert(check) == 1;
    X509_STORE_CTX_free(check);
    X509_STORE_free(store);
    return valid;
}

static SSL_CTX *context_of(struct wr_authority *authority, const char *name)
{
    SSL_CTX *context = NULL;
    struct wr_error err = {0};

    if (wr_authority_context(authority, name, &context, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return context;
}

TEST(leaves_are_valid_for_their_names_only)
{
    char long_name[254];

    make_dir();
    struct wr_authority *authority = open_authority();
    SSL_CTX *context = context_of(authority, "api.test");
    CHECK(believes(authority, context, "api.test"));
    CHECK(!believes(authority, context, "other.test"));
    CHECK(!believes(authority, context, "sub.api.test"));
    /* The longest name there is: four labels of 63, 63, 63 and 61. */
    memset(long_name, 'a', 253);
    long_name[63] = long_name[127] = long_name[191] = '.';
    long_name[253] = '\0';
    CHECK(believes(authority, context_of(authority, long_name), long_name));
    (void)wr_authority_free(authority);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

TEST(names_that_would_be_read_as_more_are_refused)
{
    static const char *const names[] = {"", "a.test,DNS:b.test", "a.test\n", "A.test", "a b"};
    SSL_CTX *context = NULL;
    struct wr_error err = {0};

    make_dir();
    struct wr_authority *authority = open_authority();
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        CHECK_INT(wr_authority_context(authority, names[i], &context, &err),
                  -WR_E_INVALID_ARGUMENT);
    (void)wr_authority_free(authority);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

TEST(leaves_are_kept_and_bounded)
{
    char name[32];

    make_dir();
    struct wr_authority *authority = open_authority();
    SSL_CTX *first = context_of(authority, "first.test");
    CHECK(SSL_CTX_up_ref(first) == 1);
    uint64_t began_us = wr_mono_us();
    for (unsigned i = 0; i < WR_LEAF_CACHE - 1; i++) {
        CHECK(wr_strformat(name, sizeof name, "n%u.test", i));
        (void)context_of(authority, name);
    }
    printf("# %u us for a leaf\n", (unsigned)((wr_mono_us() - began_us) / (WR_LEAF_CACHE - 1)));
    CHECK(context_of(authority, "first.test") == first);
    /* The one that was used longest ago leaves. */
    SSL_CTX *oldest = context_of(authority, "n1.test");
    CHECK(SSL_CTX_up_ref(oldest) == 1);
    (void)context_of(authority, "further.test");
    CHECK(context_of(authority, "first.test") == first);
    CHECK(context_of(authority, "n1.test") == oldest);
    SSL_CTX_free(first);
    SSL_CTX_free(oldest);
    (void)wr_authority_free(authority);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

/* As `openssl rehash` would name it: the subject of this certificate has that hash. */
TEST(the_hash_is_that_of_openssl)
{
    static const char pem[] = "-----BEGIN CERTIFICATE-----\n"
                              "MIIBqDCCAU+gAwIBAgIUSJ60ej1aewamhYNvsQq2wc1vQOYwCgYIKoZIzj0EAwIw\n"
                              "KjEPMA0GA1UECgwGV2FycmVuMRcwFQYDVQQDDA5oYXNoIG9mIGEgdGVzdDAeFw0y\n"
                              "NjExMjIwOTEwMjNaFw0zNjExMTkwOTEwMjNaMCoxDzANBgNVBAoMBldhcnJlbjEX\n"
                              "MBUGA1UEAwwOaGFzaCBvZiBhIHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n"
                              "AAR1ABIO0MUAegEBAdinT/ijWEgPXzmC+TG5FYJ7/YGZQ0yNxE4nk/BkCNOfm2GL\n"
                              "TzZJxJqhxLF03K93y5gkdLP9o1MwUTAdBgNVHQ4EFgQUxtLvb4bDq/MKOHtwoseg\n"
                              "alvDy+8wHwYDVR0jBBgwFoAUxtLvb4bDq/MKOHtwosegalvDy+8wDwYDVR0TAQH/\n"
                              "BAUwAwEB/zAKBggqhkjOPQQDAgNHADBEAiBSbVX+RCFJWPHKQCGgxE9Qal6b8BbW\n"
                              "v8cOw2Rxmp548AIgSx++COU/BntmE++Cd+O6mluzKib668UeAMPKo7ZqJ+k=\n"
                              "-----END CERTIFICATE-----\n";
    char hash[WR_AUTHORITY_HASH + 1];

    CHECK(!wr_authority_hash("nonsense", hash));
    CHECK(wr_authority_hash(pem, hash));
    CHECK_STR(hash, "e94bcd91");
}
