#include "server/egress/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"
#include "log/log.h"
#include "tls/certificate.h"
#include "tls/context.h"

#define FILE_MAX ((size_t)64 * 1024)
#define HOST_MAX 253

struct leaf {
    char name[HOST_MAX + 1];
    SSL_CTX *context; /* owned; NULL: a free place */
    uint64_t used;    /* when it was asked for last, in uses of all */
};

struct wr_authority {
    X509 *cert;
    EVP_PKEY *key;
    char *pem; /* owned */
    uint64_t uses;
    struct leaf leaves[WR_LEAF_CACHE];
};

/* ---- the file ---- */

/* The file holds the certificate, then the key. */
static int keep_cert_text(struct wr_authority *authority, const struct wr_buf *file,
                          struct wr_error *err)
{
    static const char mark[] = "-----END CERTIFICATE-----\n";
    const char *text = wr_buf_ptr(file);
    const char *end = memmem(text, file->len, mark, sizeof mark - 1);

    if (!end)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "it has no certificate");
    authority->pem = wr_strndup(text, (size_t)(end - text) + sizeof mark - 1);
    return authority->pem ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "authority");
}

static int read_file(struct wr_authority *authority, const struct wr_buf *file,
                     struct wr_error *err)
{
    int r = wr_certificate_read_authority(file, file, &authority->cert, &authority->key, err);

    if (r == 0 && wr_certificate_days_left(authority->cert) < WR_AUTHORITY_MIN_DAYS)
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "it ends in less than %d days",
                    WR_AUTHORITY_MIN_DAYS);
    return r < 0 ? r : keep_cert_text(authority, file, err);
}

static int make_file(int dir, struct wr_buf *file, struct wr_error *err)
{
    unsigned char bytes[4];
    char hex[2 * sizeof bytes + 1], name[64];
    wr_auto_cert *cert = NULL;
    wr_auto_cert_key *key = NULL;

    /* Two installations' authorities are told apart by their names. */
    wr_random_bytes(bytes, sizeof bytes);
    wr_hex_encode(bytes, sizeof bytes, hex);
    if (!wr_strformat(name, sizeof name, "Warren egress authority %s", hex))
        return wr_fail(err, WR_E_INTERNAL, 0, "name of the authority");
    const struct wr_certificate_spec spec = {.common_name = name, .days = WR_AUTHORITY_DAYS};
    int r = wr_certificate_make(&spec, &cert, &key, err);
    if (r == 0)
        r = wr_certificate_write(cert, key, file, file, err);
    if (r < 0)
        return r;
    r = wr_file_replace(dir, WR_AUTHORITY_FILE, wr_buf_ptr(file), file->len, 0600, WR_DURABLE);
    if (r < 0)
        return wr_fail(err, WR_E_INTERNAL, -r, "write the egress authority");
    wr_log(WR_LOG_INFO, "made the authority for domains with a transform", "file",
           WR_AUTHORITY_FILE, NULL);
    return 0;
}

int wr_authority_open(const char *state_dir, struct wr_authority **ret, struct wr_error *err)
{
    wr_auto_close int dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int dir_errno = errno;
    wr_auto_buf file = WR_BUF(FILE_MAX);
    struct wr_authority *authority = wr_calloc(1, sizeof *authority);

    file.wipe = true;
    if (!authority)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "authority");
    int r = dir < 0 ? -dir_errno : wr_file_read(dir, WR_AUTHORITY_FILE, &file);
    if (r == -ENOENT && dir >= 0)
        r = make_file(dir, &file, err);
    else if (r < 0)
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, -r, "%.120s/" WR_AUTHORITY_FILE, state_dir);
    if (r == 0) {
        r = read_file(authority, &file, err);
        if (r < 0)
            r = wr_wrap(err,
                        "%.80s/" WR_AUTHORITY_FILE " cannot be used (remove it to have a new "
                        "one made)",
                        state_dir);
    }
    if (r < 0) {
        (void)wr_authority_free(authority);
        return r;
    }
    *ret = authority;
    return 0;
}

struct wr_authority *wr_authority_free(struct wr_authority *authority)
{
    if (!authority)
        return NULL;
    for (size_t i = 0; i < WR_ARRAY_SIZE(authority->leaves); i++)
        SSL_CTX_free(authority->leaves[i].context);
    /* The library wipes private keys when it frees them. */
    EVP_PKEY_free(authority->key);
    X509_free(authority->cert);
    free(authority->pem);
    free(authority);
    return NULL;
}

const char *wr_authority_pem(const struct wr_authority *authority)
{
    return authority->pem;
}

bool wr_authority_hash(const char *pem, char out[static WR_AUTHORITY_HASH + 1])
{
    wr_auto_cert *cert = wr_certificate_read(pem, strlen(pem));

    return cert && wr_strformat(out, WR_AUTHORITY_HASH + 1, "%08lx", X509_subject_name_hash(cert));
}

/* ---- leaves ---- */

static int mint(const struct wr_authority *authority, const char *name, SSL_CTX **ret,
                struct wr_error *err)
{
    char alt_names[sizeof "DNS:" + HOST_MAX];
    wr_auto_cert *cert = NULL;
    wr_auto_cert_key *key = NULL;

    /* The text is read as a list. */
    if (!wr_str_only(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.", 1, HOST_MAX) ||
        !wr_strformat(alt_names, sizeof alt_names, "DNS:%s", name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "'%.80s' is not a host name", name);
    const struct wr_certificate_spec spec = {
        .common_name = name,
        .days = WR_LEAF_DAYS,
        .alt_names = alt_names,
        .issuer = authority->cert,
        .issuer_key = authority->key,
    };
    int r = wr_certificate_make(&spec, &cert, &key, err);
    return r < 0 ? r : wr_tls_context_of(cert, key, ret, err);
}

/* The place of the name, or the one that was used longest ago. */
static struct leaf *place_of(struct wr_authority *authority, const char *name)
{
    struct leaf *oldest = &authority->leaves[0];

    for (size_t i = 0; i < WR_ARRAY_SIZE(authority->leaves); i++) {
        struct leaf *leaf = &authority->leaves[i];
        if (leaf->context && wr_streq(leaf->name, name))
            return leaf;
        if (leaf->used < oldest->used)
            oldest = leaf;
    }
    return oldest;
}

static bool is_fresh(const struct leaf *leaf, const char *name)
{
    return leaf->context && wr_streq(leaf->name, name) &&
           wr_certificate_days_left(SSL_CTX_get0_certificate(leaf->context)) >= WR_LEAF_MIN_DAYS;
}

int wr_authority_context(struct wr_authority *authority, const char *name, SSL_CTX **ret,
                         struct wr_error *err)
{
    struct leaf *leaf = place_of(authority, name);

    if (!is_fresh(leaf, name)) {
        SSL_CTX *context = NULL;
        int r = mint(authority, name, &context, err);
        if (r < 0)
            return r;
        SSL_CTX_free(leaf->context); /* sessions hold it as long as they need it */
        leaf->context = context;
        if (!wr_strcopy(leaf->name, sizeof leaf->name, name))
            leaf->name[0] = '\0';
    }
    leaf->used = ++authority->uses;
    *ret = leaf->context;
    return 0;
}
