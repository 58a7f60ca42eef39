#include "template/make_command.h"

#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "template/store.h"

#define KEYRING    "/usr/share/keyrings/debian-archive-keyring.gpg"
#define SCRIPT_MAX 65536

/*
 * $1: the draft; $2: the layers below, as overlay wants them, relative to the draft, so that no
 * path can hold a character that mount options give a meaning; $3, $4: the scripts that download
 * and that finish; then packages. The upper directory is all that stays, so it must mean the same
 * in any other stack: no redirects, no file whose content is elsewhere.
 */
static const char layer_script[] =
    "set -eu\n"
    "cd \"$1\"\n"
    "mkdir work merged\n"
    "mount -t overlay -o \"lowerdir=$2,upperdir=root,workdir=work,redirect_dir=off,metacopy=off,index=off,volatile\" \\\n"
    "    warren merged\n"
    "root=$PWD/merged fetch=$3 customize=$4\n"
    "shift 4\n"
    "sh -c \"$fetch\" fetch \"$root\"\n"
    "mount -t proc proc \"$root/proc\"\n"
    "mount -t tmpfs -o mode=0755 dev \"$root/dev\"\n"
    "mount -t tmpfs tmp \"$root/tmp\"\n"
    "for node in null zero full random urandom tty; do\n"
    "    : > \"$root/dev/$node\"\n"
    "    mount --bind \"/dev/$node\" \"$root/dev/$node\"\n"
    "done\n"
    "ln -s /proc/self/fd \"$root/dev/fd\"\n"
    "mkdir -m 1777 \"$root/dev/shm\"\n"
    "# Names are resolved as on the host.\n"
    "for file in /etc/resolv.conf /etc/hosts; do\n"
    "    [ ! -e \"$file\" ] || mount --bind \"$file\" \"$root$file\"\n"
    "done\n"
    "# Left out with the manual pages, but update-alternatives wants to make links in it.\n"
    "mkdir -p \"$root/usr/share/man/man1\"\n"
    "echo 'reading package lists'\n"
    "chroot \"$root\" apt-get update\n"
    "chroot \"$root\" apt-get install --yes --no-install-recommends \"$@\"\n"
    "echo 'finishing'\n"
    "sh -c \"$customize\" customize \"$root\"\n"
    "chroot \"$root\" apt-get clean\n"
    "rm -rf \"$root/usr/share/man/man1\"\n"
    "umount --recursive \"$root\"\n";

void wr_make_command_done(struct wr_make_command *c)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(c->owned); i++)
        free(c->owned[i]);
}

static void push(struct wr_make_command *c, const char *arg)
{
    if (c->argc < WR_MAKE_ARGS_MAX - 1)
        c->argv[c->argc++] = arg;
}

static void push_list(struct wr_make_command *c, const char *const *list)
{
    for (; *list; list++)
        push(c, *list);
}

/* Programs take a path; directories are known by descriptor. */
static int path_of(int fd, char **ret, struct wr_error *err)
{
    char link[64], path[4096];
    if (!wr_strformat(link, sizeof(link), "/proc/self/fd/%d", fd))
        return wr_fail(err, WR_E_INTERNAL, 0, "the number of a descriptor is too long");
    ssize_t len = readlink(link, path, sizeof(path) - 1);
    if (len < 0 || (size_t)len >= sizeof(path) - 1)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot find the path of the new layer");
    path[len] = '\0';
    *ret = wr_strdup(path);
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for a path");
}

static int fetch_script(const struct wr_definition *d, const char *prefix, char **ret,
                        struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(SCRIPT_MAX);
    struct utsname host;
    int rc = uname(&host) < 0 ? -1 : wr_buf_append_str(&text, prefix);
    if (rc == 0)
        rc = wr_definition_fetch_script(d, host.machine, &text);
    const char *script = rc == 0 ? wr_buf_cstr(&text) : NULL;
    *ret = script ? wr_strdup(script) : NULL;
    if (!*ret)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "cannot write the script that downloads what template %s needs", d->name);
    return 0;
}

static int include_option(const struct wr_definition *d, char **ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(SCRIPT_MAX);
    int rc = wr_buf_append_str(&text, "--include=");
    for (size_t i = 0; rc == 0 && d->packages[i]; i++)
        rc = wr_buf_printf(&text, "%s%s", i == 0 ? "" : ",", d->packages[i]);
    const char *option = rc == 0 ? wr_buf_cstr(&text) : NULL;
    *ret = option ? wr_strdup(option) : NULL;
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the list of packages is too long");
}

static int tree_command(const struct wr_definition *d, const struct wr_layer_draft *draft,
                        struct wr_make_command *c, struct wr_error *err)
{
    if (access(KEYRING, R_OK) < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s is missing: run 'apt-get install debian-archive-keyring'", KEYRING);
    int rc = path_of(draft->root_fd, &c->owned[0], err);
    if (rc == 0)
        rc = include_option(d, &c->owned[1], err);
    if (rc == 0)
        rc = fetch_script(d, "--setup-hook=", &c->owned[2], err);
    c->owned[3] = rc == 0 ? wr_asprintf("--customize-hook=%s", d->customize) : NULL;
    if (!c->owned[3])
        return rc < 0 ? rc
                      : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for a command");
    push(c, "mmdebstrap");
    push_list(c, d->options);
    push(c, "--keyring=" KEYRING);
    push(c, c->owned[1]);
    push(c, c->owned[2]);
    push(c, c->owned[3]);
    push(c, d->suite);
    push(c, c->owned[0]);
    push_list(c, d->sources);
    return 0;
}

/* "../<hash>:../<hash>", the topmost first. */
static int lower_dirs(const struct wr_definition *d, char **ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF((size_t)WR_TEMPLATE_MAX_LAYERS * 80);
    for (const struct wr_definition *below = d->below; below; below = below->below) {
        char hash[65];
        int rc = wr_definition_hash(below, hash, err);
        if (rc < 0)
            return rc;
        if (wr_buf_printf(&text, "%s../%s", below == d->below ? "" : ":", hash) < 0)
            return wr_fail(err, WR_E_INTERNAL, 0, "template %s has too many layers", d->name);
    }
    const char *dirs = wr_buf_cstr(&text);
    *ret = dirs ? wr_strdup(dirs) : NULL;
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for a command");
}

static int layer_command(const struct wr_definition *d, const struct wr_layer_draft *draft,
                         struct wr_make_command *c, struct wr_error *err)
{
    int rc = path_of(draft->dir_fd, &c->owned[0], err);
    if (rc == 0)
        rc = lower_dirs(d, &c->owned[1], err);
    if (rc == 0)
        rc = fetch_script(d, "", &c->owned[2], err);
    if (rc < 0)
        return rc;
    push(c, "sh");
    push(c, "-c");
    push(c, layer_script);
    push(c, "layer");
    push(c, c->owned[0]);
    push(c, c->owned[1]);
    push(c, c->owned[2]);
    push(c, d->customize);
    push_list(c, d->packages);
    return 0;
}

int wr_make_command_build(const struct wr_definition *d, const struct wr_layer_draft *draft,
                          struct wr_make_command *ret, struct wr_error *err)
{
    return d->below ? layer_command(d, draft, ret, err) : tree_command(d, draft, ret, err);
}
