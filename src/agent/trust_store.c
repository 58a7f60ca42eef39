#include "agent/trust_store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define BUNDLE_MAX ((size_t)8 * 1024 * 1024)
#define DIRECTORY  "/etc/ssl/certs"
/* As update-ca-certificates(8) names it, so that both agree. */
#define LINK_NAME  "warren-egress.pem"
#define MAX_HASHES 10 /* certificates whose subjects have one hash */

static int failed(struct wr_error *err, const char *path, int r)
{
    return wr_fail(err, wr_code_from_errno(-r), -r, "%.120s", path);
}

/* ---- the list of certificates ---- */

/* Where the list really is: distributions make it a link. False when it is no regular file. */
static bool find_bundle(char out[static PATH_MAX])
{
    struct stat st;

    if (!realpath(WR_TRUST_BUNDLE, out))
        return errno == ENOENT && wr_strcopy(out, PATH_MAX, WR_TRUST_BUNDLE);
    return stat(out, &st) == 0 && S_ISREG(st.st_mode);
}

static int read_bundle(char path[static PATH_MAX], struct wr_buf *out, struct wr_error *err)
{
    if (!find_bundle(path))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s is not a regular file",
                       WR_TRUST_BUNDLE);
    int r = wr_file_read(AT_FDCWD, path, out);
    return r == 0 || r == -ENOENT ? 0 : failed(err, path, r);
}

static int write_bundle(const char *path, const struct wr_buf *text, struct wr_error *err)
{
    int r = wr_file_replace(AT_FDCWD, path, text->len > 0 ? wr_buf_ptr(text) : "", text->len, 0644,
                            WR_VOLATILE);
    return r < 0 ? failed(err, path, r) : 0;
}

static const char *find_in(const struct wr_buf *text, const char *pem)
{
    const char *from = wr_buf_ptr(text);

    return from ? memmem(from, text->len, pem, strlen(pem)) : NULL;
}

static int add_to_bundle(const char *pem, bool *ret_had_bundle, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(BUNDLE_MAX);
    char path[PATH_MAX];

    int r = read_bundle(path, &text, err);
    if (r < 0)
        return r;
    *ret_had_bundle = text.len > strlen(pem);
    if (find_in(&text, pem))
        return 0;
    if (text.len > 0 && wr_buf_ptr(&text)[text.len - 1] != '\n')
        r = wr_buf_append_char(&text, '\n');
    if (r == 0)
        r = wr_buf_append_str(&text, pem);
    return r < 0 ? failed(err, path, r) : write_bundle(path, &text, err);
}

/* Every copy of it: whoever made the list anew with the certificate's own file has added it too. */
static int remove_from_bundle(const char *pem, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(BUNDLE_MAX), kept = WR_BUF(BUNDLE_MAX);
    char path[PATH_MAX];
    const char *at = NULL;

    int r = read_bundle(path, &text, err);
    if (r < 0 || !find_in(&text, pem))
        return r;
    while (r == 0 && (at = find_in(&text, pem))) {
        size_t before = (size_t)(at - wr_buf_ptr(&text));
        r = wr_buf_append(&kept, wr_buf_ptr(&text), before);
        wr_buf_consume(&text, before + strlen(pem));
    }
    if (r == 0)
        r = wr_buf_append(&kept, wr_buf_ptr(&text), text.len);
    return r < 0 ? failed(err, path, r) : write_bundle(path, &kept, err);
}

/* ---- the directory ---- */

static bool leads_to(const char *path, const char *target)
{
    char found[PATH_MAX];
    ssize_t n = readlink(path, found, sizeof found);

    return n == (ssize_t)strlen(target) && memcmp(found, target, (size_t)n) == 0;
}

static bool hash_path(char *out, size_t cap, const char *hash, unsigned number)
{
    return wr_strformat(out, cap, "%s/%s.%u", DIRECTORY, hash, number);
}

static int add_link(const char *path, const char *target, struct wr_error *err)
{
    return symlink(target, path) == 0 || leads_to(path, target) ? 0 : failed(err, path, -errno);
}

static int add_links(const char *hash, struct wr_error *err)
{
    char path[64];
    int r = add_link(DIRECTORY "/" LINK_NAME, WR_TRUST_CERT, err);

    for (unsigned i = 0; r == 0 && i < MAX_HASHES; i++) {
        if (!hash_path(path, sizeof path, hash, i))
            break;
        if (symlink(LINK_NAME, path) == 0 || leads_to(path, LINK_NAME))
            return 0;
        if (errno != EEXIST && errno != EINVAL)
            return failed(err, path, -errno);
    }
    return r;
}

static void remove_links(const char *hash)
{
    char path[64];

    for (unsigned i = 0; i < MAX_HASHES; i++)
        if (hash_path(path, sizeof path, hash, i) && leads_to(path, LINK_NAME))
            (void)unlink(path);
    if (leads_to(DIRECTORY "/" LINK_NAME, WR_TRUST_CERT))
        (void)unlink(DIRECTORY "/" LINK_NAME);
}

/* ---- all of it ---- */

static int make_directory(const char *path, struct wr_error *err)
{
    int r = wr_mkdir_parents(AT_FDCWD, path, 0755);
    return r < 0 ? failed(err, path, r) : 0;
}

int wr_trust_store_add(const struct wr_trust_certificate *cert, bool *ret_had_bundle,
                       struct wr_error *err)
{
    int r = make_directory("/usr/local/share/ca-certificates", err);

    if (r == 0)
        r = make_directory(DIRECTORY, err);
    if (r < 0)
        return r;
    r = wr_file_replace(AT_FDCWD, WR_TRUST_CERT, cert->pem, strlen(cert->pem), 0644, WR_VOLATILE);
    if (r < 0)
        return failed(err, WR_TRUST_CERT, r);
    r = add_to_bundle(cert->pem, ret_had_bundle, err);
    return r < 0 ? r : add_links(cert->hash, err);
}

int wr_trust_store_remove(const struct wr_trust_certificate *cert, struct wr_error *err)
{
    int r = remove_from_bundle(cert->pem, err);

    remove_links(cert->hash);
    if (unlink(WR_TRUST_CERT) < 0 && errno != ENOENT && r == 0)
        r = failed(err, WR_TRUST_CERT, -errno);
    return r;
}
