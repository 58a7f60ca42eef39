#include "template/make.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "sys/tool.h"
#include "template/interrupt.h"
#include "template/layer.h"
#include "template/make_command.h"
#include "template/make_progress.h"
#include "template/manifest.h"
#include "template/store.h"

/* Slow networks need minutes; what takes longer hangs. */
#define TIME_LIMIT_MS (60U * 60 * 1000)

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
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory to make a template");
        env->vars[n++] = env->owned[i];
    }
    return 0;
}

/* What wr_tool_run() said, as a sentence. */
static int tool_error(int rc, const char *tool, struct wr_error *err)
{
    if (rc == -ECANCELED)
        return wr_fail(err, WR_E_CANCELED, 0, "interrupted; nothing was left behind");
    if (rc == -ETIMEDOUT)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                       "%s was ended after %u minutes; nothing was left behind", tool,
                       TIME_LIMIT_MS / 60000);
    if (rc == -ENOENT)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s is not installed; run 'apt-get install mmdebstrap curl'", tool);
    return wr_fail(err, WR_E_INTERNAL, -rc, "cannot run %s", tool);
}

static int run_command(const struct wr_make_command *c, struct wr_make_progress *progress,
                       struct wr_error *err)
{
    WR_CLEANUP(tool_env_done) struct tool_env env = {0};
    wr_auto_interrupt interrupt = WR_INTERRUPT;
    int rc = tool_env_build(&env, err);
    if (rc == 0)
        rc = wr_interrupt_open(&interrupt, err);
    if (rc < 0)
        return rc;
    struct wr_tool tool = {
        .argv = c->argv,
        .env = env.vars,
        .private_mounts = true,
        .cancel_fd = interrupt.fd,
        .timeout_ms = TIME_LIMIT_MS,
        .line = wr_make_progress_line,
        .tick = wr_make_progress_tick,
        .data = progress,
    };
    int status = 0;
    rc = wr_tool_run(&tool, &status);
    if (rc < 0)
        return tool_error(rc, c->argv[0], err);
    if (status == 0)
        return 0;
    wr_make_progress_dump(progress);
    if (progress->network_trouble)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "a download failed, check the network and try again: %s",
                       wr_make_progress_reason(progress));
    return wr_fail(err, WR_E_INTERNAL, 0, "%s ended with status %d: %s", c->argv[0], status,
                   wr_make_progress_reason(progress));
}

/* Leaves the directories of the table empty. The tree was made by packages of Debian and of the
 * definition, nobody else can write into it. */
static int empty_dirs(int root_fd, struct wr_error *err)
{
    for (size_t i = 0; i < wr_empty_dir_count; i++) {
        const struct wr_empty_dir *d = &wr_empty_dirs[i];
        int rc = wr_remove_tree(root_fd, d->path);
        if (rc < 0)
            return wr_fail(err, WR_E_INTERNAL, -rc, "cannot empty /%s of the template", d->path);
        rc = wr_mkdir_parents(root_fd, d->path, 0755);
        if (rc < 0)
            return wr_fail(err, WR_E_INTERNAL, -rc, "cannot make /%s of the template", d->path);
        if (fchmodat(root_fd, d->path, d->mode, 0) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "cannot make /%s of the template", d->path);
    }
    return 0;
}

static int make_layer(int data_dirfd, const struct wr_definition *d, const char *hash,
                      const struct wr_make_opts *opts, struct wr_error *err)
{
    wr_auto_layer_draft draft = WR_LAYER_DRAFT;
    wr_auto_make_command command = {.argc = 0};
    int rc = wr_layer_draft_open(data_dirfd, d->need_bytes, &draft, err);
    if (rc == 0)
        rc = wr_make_command_build(d, &draft, &command, err);
    if (rc < 0)
        return rc;
    struct wr_make_progress progress;
    wr_make_progress_init(&progress, opts->progress);
    rc = run_command(&command, &progress, err);
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

/* Makes what is missing, the lowest layer first, and notes the layers in the manifest. */
static int make_layers(int data_dirfd, const struct wr_definition *d,
                       const struct wr_make_opts *opts, struct wr_template *t, struct wr_error *err)
{
    const struct wr_definition *chain[WR_TEMPLATE_MAX_LAYERS];
    size_t count = 0;
    for (const struct wr_definition *p = d; p && count < WR_ARRAY_SIZE(chain); p = p->below)
        chain[count++] = p;
    bool was_there = true;
    while (count-- > 0) {
        struct wr_make_opts of_layer = *opts;
        char *hash = t->layers[t->layer_count++];
        of_layer.force = opts->force && chain[count] == d;
        int rc = wr_definition_hash(chain[count], hash, err);
        if (rc < 0)
            return rc;
        if (wr_layer_exists(data_dirfd, hash) && !of_layer.force)
            continue;
        was_there = false;
        rc = make_layer(data_dirfd, chain[count], hash, &of_layer, err);
        if (rc < 0)
            return rc;
    }
    if (opts->ret_was_there)
        *opts->ret_was_there = was_there;
    return 0;
}

static int measure(int data_dirfd, struct wr_template *t, struct wr_error *err)
{
    for (size_t i = 0; i < t->layer_count; i++) {
        wr_auto_close int layer = -1;
        uint64_t bytes = 0;
        int rc = wr_template_layer_open(data_dirfd, t->layers[i], &layer, err);
        if (rc < 0)
            return rc;
        rc = wr_layer_size(layer, &bytes);
        if (rc < 0)
            return wr_fail(err, WR_E_INTERNAL, -rc, "cannot measure layers/%s", t->layers[i]);
        t->size_bytes += bytes;
    }
    return 0;
}

/* Whether the manifest stands and says the same of layers and names. */
static bool manifest_stands(int data_dirfd, const struct wr_template *t)
{
    wr_auto_template found = {0};
    struct wr_error ignored = {0}; /* whatever is wrong with it: it is written again */
    if (wr_template_load(data_dirfd, t->name, &found, &ignored) < 0 ||
        found.layer_count != t->layer_count || found.alias_count != t->alias_count)
        return false;
    for (size_t i = 0; i < t->layer_count; i++)
        if (!wr_streq(found.layers[i], t->layers[i]))
            return false;
    for (size_t i = 0; i < t->alias_count; i++)
        if (!wr_streq(found.aliases[i], t->aliases[i]))
            return false;
    return true;
}

struct standing {
    const struct wr_template *made;
    FILE *out;
};

/* Packages of a layer are made for the ones below it. */
static void hint(const struct wr_template *t, void *data)
{
    const struct standing *s = data;
    const char *remade = s->made->layers[s->made->layer_count - 1];
    for (size_t i = 0; i + 1 < t->layer_count; i++)
        if (wr_streq(t->layers[i], remade))
            fprintf(s->out,
                    "template %s stands on the layer that was made again; to renew it too, run "
                    "'warren template make %s --force'\n",
                    t->name, t->name);
}

static int start_manifest(const struct wr_definition *d, const char *name, struct wr_template *t,
                          struct wr_error *err)
{
    const char *env_json = d->env_json;
    for (const struct wr_definition *p = d; !env_json && p; p = p->below)
        env_json = p->env_json;
    t->env_json = wr_strdup(env_json ? env_json : "{}");
    if (!t->env_json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for a manifest");
    if (!wr_template_name_valid(name) || !wr_strcopy(t->name, sizeof(t->name), name) ||
        !wr_strcopy(t->user, sizeof(t->user), "user"))
        return wr_fail(
            err, WR_E_INVALID_ARGUMENT, 0,
            "\"%s\" is no template name: use a-z, 0-9, '.', '_' and '-', at most 63 characters",
            name);
    wr_template_manifest_default_aliases(t);
    return 0;
}

int wr_template_make(int data_dirfd, const struct wr_definition *d, const struct wr_make_opts *opts,
                     struct wr_error *err)
{
    wr_auto_template t = {.layer_count = 0};
    bool was_there = false;
    struct wr_make_opts own = *opts;
    own.ret_was_there = &was_there;

    if (geteuid() != 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       "making a template needs root: run the command with sudo");
    int rc = start_manifest(d, opts->name ? opts->name : d->name, &t, err);
    if (rc == 0)
        rc = wr_template_check_names(data_dirfd, &t, err); /* before the minutes that it takes */
    if (rc == 0)
        rc = make_layers(data_dirfd, d, &own, &t, err);
    if (rc == 0 && !(was_there && manifest_stands(data_dirfd, &t))) {
        t.created_ms = wr_wall_ms();
        rc = measure(data_dirfd, &t, err);
        if (rc == 0)
            rc = wr_template_save(data_dirfd, &t, err);
    }
    if (rc < 0)
        return rc;
    if (opts->ret_was_there)
        *opts->ret_was_there = was_there;
    struct standing standing = {&t, opts->progress};
    struct wr_error ignored = {0}; /* only a hint */
    if (opts->force && opts->progress)
        (void)!wr_template_list(data_dirfd, hint, &standing, &ignored);
    return 0;
}
