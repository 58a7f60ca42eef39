#include "template/base_template.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "sys/tool.h"
#include "template/base_definition.h"
#include "template/base_progress.h"
#include "template/interrupt.h"
#include "template/layer.h"
#include "template/store.h"

#define DEFINITION_MAX 32768
#define ARGS_MAX       64
#define NEED_BYTES \
    (2500 * WR_MIB) /* the tree, the downloaded packages beside it, and room to unpack */

int wr_base_layer_hash(char out[static 65], struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(DEFINITION_MAX);
    int rc = wr_base_definition(&text);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc,
                       "cannot write down the definition of the base template");
    wr_sha256_hex(wr_buf_ptr(&text), text.len, out);
    return 0;
}

static int check_host(struct wr_error *err)
{
    if (geteuid() != 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       "making a template needs root: run the command with sudo");
    if (access(WR_BASE_KEYRING, R_OK) < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s is missing: run 'apt-get install debian-archive-keyring'",
                       WR_BASE_KEYRING);
    return 0;
}

struct command {
    const char *argv[ARGS_MAX];
    size_t argc;
    char *text[3]; /* owned: arguments made here */
    char target[4096];
};

static void command_done(struct command *c)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(c->text); i++)
        free(c->text[i]);
}

static void push(struct command *c, const char *arg)
{
    if (c->argc < ARGS_MAX - 1)
        c->argv[c->argc++] = arg;
}

/* mmdebstrap takes a path; the draft is known by descriptor. */
static int target_path(int root_fd, char *out, size_t cap, struct wr_error *err)
{
    char link[64];
    if (!wr_strformat(link, sizeof(link), "/proc/self/fd/%d", root_fd))
        return wr_fail(err, WR_E_INTERNAL, 0, "the number of a descriptor is too long");
    ssize_t len = readlink(link, out, cap - 1);
    if (len < 0 || (size_t)len >= cap - 1)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot find the path of the new layer");
    out[len] = '\0';
    return 0;
}

static int command_build(struct command *c, int root_fd, struct wr_error *err)
{
    int rc = target_path(root_fd, c->target, sizeof(c->target), err);
    if (rc < 0)
        return rc;
    wr_auto_buf include = WR_BUF(DEFINITION_MAX);
    rc = wr_buf_append_str(&include, "--include=");
    for (const char *const *p = wr_base_packages; rc == 0 && *p; p++)
        rc = wr_buf_printf(&include, "%s%s", p == wr_base_packages ? "" : ",", *p);
    const char *include_text = rc == 0 ? wr_buf_cstr(&include) : NULL;
    c->text[0] = include_text ? wr_strdup(include_text) : NULL;
    c->text[1] = wr_asprintf("--setup-hook=%s", wr_base_fetch);
    c->text[2] = wr_asprintf("--customize-hook=%s", wr_base_customize);
    if (!c->text[0] || !c->text[1] || !c->text[2])
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory to run mmdebstrap");

    push(c, "mmdebstrap");
    for (const char *const *p = wr_base_tool_opts; *p; p++)
        push(c, *p);
    push(c, "--keyring=" WR_BASE_KEYRING);
    push(c, c->text[0]);
    push(c, c->text[1]);
    push(c, c->text[2]);
    push(c, WR_BASE_SUITE);
    push(c, c->target);
    for (const char *const *p = wr_base_sources; *p; p++)
        push(c, *p);
    return 0;
}

/* A fixed environment and the proxies of the host, which may be its only way out. */
#define ENV_FIXED 4
static const char *const proxy_names[] = {"http_proxy", "https_proxy", "no_proxy",
                                          "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"};
struct tool_env {
    const char *vars[ENV_FIXED + WR_ARRAY_SIZE(proxy_names) + 1];
    char *owned[WR_ARRAY_SIZE(proxy_names)];
};

static void tool_env_done(struct tool_env *env)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(env->owned); i++)
        free(env->owned[i]);
}

static int tool_env_build(struct tool_env *env, struct wr_error *err)
{
    size_t n = 0;
    env->vars[n++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    env->vars[n++] = "LC_ALL=C.UTF-8";
    env->vars[n++] = "HOME=/root";
    env->vars[n++] = "DEBIAN_FRONTEND=noninteractive";
    for (size_t i = 0; i < WR_ARRAY_SIZE(proxy_names); i++) {
        const char *value = getenv(proxy_names[i]);
        if (!value)
            continue;
        env->owned[i] = wr_asprintf("%s=%s", proxy_names[i], value);
        if (!env->owned[i])
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory to run mmdebstrap");
        env->vars[n++] = env->owned[i];
    }
    return 0;
}

/* What wr_tool_run() said, as a sentence. */
static int tool_error(int rc, struct wr_error *err)
{
    if (rc == -ECANCELED)
        return wr_fail(err, WR_E_CANCELED, 0, "interrupted; nothing was left behind");
    if (rc == -ENOENT)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "mmdebstrap is not installed; run 'apt-get install mmdebstrap curl'");
    return wr_fail(err, WR_E_INTERNAL, -rc, "cannot run mmdebstrap");
}

static int run_mmdebstrap(int root_fd, struct wr_base_progress *progress, struct wr_error *err)
{
    WR_CLEANUP(command_done) struct command c = {0};
    WR_CLEANUP(tool_env_done) struct tool_env env = {0};
    wr_auto_interrupt interrupt = WR_INTERRUPT;
    int rc = command_build(&c, root_fd, err);
    if (rc == 0)
        rc = tool_env_build(&env, err);
    if (rc == 0)
        rc = wr_interrupt_open(&interrupt, err);
    if (rc < 0)
        return rc;
    struct wr_tool tool = {
        .argv = c.argv,
        .env = env.vars,
        .private_mounts = true,
        .cancel_fd = interrupt.fd,
        .line = wr_base_progress_line,
        .tick = wr_base_progress_tick,
        .data = progress,
    };
    int status = 0;
    rc = wr_tool_run(&tool, &status);
    if (rc < 0)
        return tool_error(rc, err);
    if (status == 0)
        return 0;
    wr_base_progress_dump(progress);
    if (progress->network_trouble)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "a download failed, check the network and try again: %s", progress->reason);
    return wr_fail(err, WR_E_INTERNAL, 0, "mmdebstrap ended with status %d: %s", status,
                   progress->reason);
}

/* Leaves the directories of the table empty. The tree was made by Debian's packages, nobody else
 * can write into it. */
static int empty_dirs(int root_fd, struct wr_error *err)
{
    for (size_t i = 0; i < wr_base_empty_dir_count; i++) {
        const struct wr_base_empty_dir *d = &wr_base_empty_dirs[i];
        int rc = wr_remove_tree(root_fd, d->path);
        if (rc < 0)
            return wr_fail(err, WR_E_INTERNAL, -rc, "cannot empty /%s of the template", d->path);
        if (mkdirat(root_fd, d->path, 0700) < 0 || fchmodat(root_fd, d->path, d->mode, 0) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "cannot make /%s of the template", d->path);
    }
    return 0;
}

static int make_layer(int data_dirfd, const char *hash, const struct wr_base_opts *opts,
                      struct wr_error *err)
{
    wr_auto_layer_draft draft = WR_LAYER_DRAFT;
    int rc = check_host(err);
    if (rc == 0)
        rc = wr_layer_draft_open(data_dirfd, NEED_BYTES, &draft, err);
    if (rc < 0)
        return rc;
    struct wr_base_progress progress;
    wr_base_progress_init(&progress, opts->progress);
    rc = run_mmdebstrap(draft.root_fd, &progress, err);
    if (rc == 0)
        rc = empty_dirs(draft.root_fd, err);
    /* Another process may have made the same layer meanwhile; sandboxes may run on it already. */
    if (rc == 0 && (opts->force || !wr_layer_exists(data_dirfd, hash))) {
        wr_progress_phase(&progress.bar, "writing to the disk", 0, 0);
        rc = wr_layer_commit(&draft, hash, err);
    }
    wr_progress_end(&progress.bar);
    return rc;
}

static int write_manifest(int data_dirfd, const char *name, const char *hash, struct wr_error *err)
{
    wr_auto_template t = {
        .layer_count = 1, .created_ms = wr_wall_ms(), .env_json = wr_strdup(WR_BASE_ENV)};
    if (!t.env_json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for a manifest");
    if (!wr_strcopy(t.name, sizeof(t.name), name) ||
        !wr_strcopy(t.layers[0], sizeof(t.layers[0]), hash) ||
        !wr_strcopy(t.user, sizeof(t.user), "user"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the template name %s is too long", name);
    wr_auto_close int layer = -1;
    int rc = wr_template_layer_open(data_dirfd, hash, &layer, err);
    if (rc < 0)
        return rc;
    rc = wr_layer_size(layer, &t.size_bytes);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "cannot measure layers/%s", hash);
    return wr_template_save(data_dirfd, &t, err);
}

/* Whether the manifest stands and names this layer. */
static bool manifest_stands(int data_dirfd, const char *name, const char *hash)
{
    wr_auto_template t = {0};
    struct wr_error ignored = {0}; /* whatever is wrong with it: it is written again */
    return wr_template_load(data_dirfd, name, &t, &ignored) == 0 && t.layer_count == 1 &&
           wr_streq(t.layers[0], hash);
}

int wr_template_make_base(int data_dirfd, const struct wr_base_opts *opts, struct wr_error *err)
{
    const char *name = opts->name ? opts->name : "base";
    if (!wr_template_name_valid(name))
        return wr_fail(
            err, WR_E_INVALID_ARGUMENT, 0,
            "\"%s\" is no template name: use a-z, 0-9, '.', '_' and '-', at most 63 characters",
            name);
    char hash[65];
    int rc = wr_base_layer_hash(hash, err);
    if (rc < 0)
        return rc;
    bool was_there = !opts->force && wr_layer_exists(data_dirfd, hash);
    if (!was_there)
        rc = make_layer(data_dirfd, hash, opts, err);
    if (rc == 0 && !(was_there && manifest_stands(data_dirfd, name, hash)))
        rc = write_manifest(data_dirfd, name, hash, err);
    if (rc == 0 && opts->ret_was_there)
        *opts->ret_was_there = was_there;
    return rc;
}
