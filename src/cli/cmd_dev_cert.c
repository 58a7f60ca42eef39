#include "cli/cmd_dev_cert.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/dev_cert.h"
#include "cli/domain.h"

#define DEFAULT_DIR "/etc/warren/dev-cert"
#define CA_CERT     "ca.pem"
#define CA_KEY      "ca.key"
#define BUNDLE      "bundle.pem"
#define SYSTEM_CAS  "/etc/ssl/certs/ca-certificates.crt"
#define BUNDLE_MAX  ((size_t)4 * 1024 * 1024)
#define NAME_MAX_   280

struct values {
    const char *domain, *out;
};

static const struct wr_opt opts[] = {
    {"domain", 0, WR_OPT_STRING, offsetof(struct values, domain), "NAME",
     "the domain, as `warren serve --domain` gets it", 0, 0, false, NULL},
    {"out", 'o', WR_OPT_STRING, offsetof(struct values, out), "DIR",
     "where the files go (" DEFAULT_DIR ")", 0, 0, false, NULL},
};

static int read_pem(int dirfd, const char *name, struct wr_buf *out, struct wr_error *err)
{
    int r = wr_buf_reserve(out, out->max) ? wr_file_read(dirfd, name, out) : -ENOMEM;

    /* Zero-terminated behind its end, so that it can be handed to OpenSSL as text too. */
    if (r == 0 && !wr_buf_cstr(out))
        r = -ENOMEM;
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "read %s", name) : 0;
}

static int write_file(int dirfd, const char *name, const struct wr_buf *text, mode_t mode,
                      struct wr_error *err)
{
    int r = wr_file_replace(dirfd, name, wr_buf_ptr(text), text->len, mode, WR_DURABLE);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "write %s", name) : 0;
}

/* The authority that is there, or a new one when there is neither certificate nor key. */
static int get_ca(int dirfd, struct wr_dev_pair *ca, bool *ret_made, struct wr_error *err)
{
    bool has_cert = faccessat(dirfd, CA_CERT, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    bool has_key = faccessat(dirfd, CA_KEY, F_OK, AT_SYMLINK_NOFOLLOW) == 0;

    if (has_cert != has_key)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s is there without %s; put it back, or remove it to have both made",
                       has_cert ? CA_CERT : CA_KEY, has_cert ? CA_KEY : CA_CERT);
    *ret_made = !has_cert;
    if (has_cert) {
        int r = read_pem(dirfd, CA_CERT, &ca->cert, err);
        if (r == 0)
            r = read_pem(dirfd, CA_KEY, &ca->key, err);
        return r < 0 ? r : wr_dev_ca_check(ca, err);
    }
    int r = wr_dev_ca_make(ca, err);
    if (r == 0)
        r = write_file(dirfd, CA_KEY, &ca->key, 0600, err);
    return r < 0 ? r : write_file(dirfd, CA_CERT, &ca->cert, 0644, err);
}

/* The system's authorities and ours: SSL_CERT_FILE replaces the whole list of a program. */
static int write_bundle(int dirfd, const struct wr_dev_pair *ca, struct wr_error *err)
{
    wr_auto_buf bundle = WR_BUF(BUNDLE_MAX);

    int r = wr_file_read(AT_FDCWD, SYSTEM_CAS, &bundle);
    if (r == -ENOENT)
        r = 0;
    if (r == 0)
        r = wr_buf_append(&bundle, wr_buf_ptr(&ca->cert), ca->cert.len);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "copy %s", SYSTEM_CAS);
    return write_file(dirfd, BUNDLE, &bundle, 0644, err);
}

static void explain(const char *dir, const char *domain, bool made)
{
    printf("certificate  %s/%s.pem\n"
           "key          %s/%s.key\n"
           "authority    %s/" CA_CERT " (%s)\n"
           "\n"
           "Start the server:\n"
           "  warren serve --domain %s --tls-cert %s/%s.pem --tls-key %s/%s.key\n"
           "\n"
           "Names below %s have to lead to this host, for example by a line of dnsmasq:\n"
           "  address=/%s/127.0.0.1\n"
           "\n"
           "Clients have to trust the authority (`warren env` says the first two):\n"
           "  Node:    export NODE_EXTRA_CA_CERTS=%s/" CA_CERT "\n"
           "  Python:  export SSL_CERT_FILE=%s/" BUNDLE "\n"
           "  system:  cp %s/" CA_CERT " /usr/local/share/ca-certificates/warren-dev.crt && "
           "update-ca-certificates\n",
           dir, domain, dir, domain, dir, made ? "new" : "as before", domain, dir, domain, dir,
           domain, domain, domain, dir, dir, dir);
}

static int make_files(int dirfd, const char *domain, bool *ret_made, struct wr_error *err)
{
    struct wr_dev_pair ca = WR_DEV_PAIR, leaf = WR_DEV_PAIR;
    char cert_name[NAME_MAX_], key_name[NAME_MAX_];

    if (!wr_strformat(cert_name, sizeof cert_name, "%s.pem", domain) ||
        !wr_strformat(key_name, sizeof key_name, "%s.key", domain))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --domain: too long");
    int r = get_ca(dirfd, &ca, ret_made, err);
    if (r == 0)
        r = wr_dev_leaf_make(&ca, domain, &leaf, err);
    if (r == 0)
        r = write_file(dirfd, key_name, &leaf.key, 0600, err);
    if (r == 0)
        r = write_file(dirfd, cert_name, &leaf.cert, 0644, err);
    if (r == 0)
        r = write_bundle(dirfd, &ca, err);
    wr_dev_pair_done(&ca);
    wr_dev_pair_done(&leaf);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const char *dir = values->out ? values->out : DEFAULT_DIR;
    bool made = false;

    if (!values->domain)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "dev-cert: --domain is missing; for example --domain sbx.test");
    /* Clients accept no wildcard below a single label. */
    if (!wr_domain_valid(values->domain, strlen(values->domain)) || !strchr(values->domain, '.'))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --domain: \"%.60s\" is not a domain name of two or more words in "
                       "lower case such as sbx.test",
                       values->domain);
    int r = wr_mkdir_parents(AT_FDCWD, dir, 0755);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %s", dir);
    wr_auto_close int dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s", dir);
    r = make_files(dirfd, values->domain, &made, err);
    if (r < 0)
        return wr_wrap(err, "%s", dir);
    explain(dir, values->domain, made);
    return 0;
}

const struct wr_command wr_cmd_dev_cert = {
    .name = "dev-cert",
    .summary = "Make a certificate for trying a domain of your own with TLS",
    .usage = "--domain NAME [--out DIR]",
    .details =
        "Makes an authority of its own once and, at every call, a new certificate for NAME, *.NAME\n"
        "and localhost, good for 825 days. Keys are readable by their owner only. Who trusts the\n"
        "authority trusts whoever holds its key: it is for development.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .offline = true,
    .run = run,
};
