#include "template/import.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"
#include "sys/syscall.h"
#include "template/import_dir.h"
#include "template/import_tar.h"
#include "template/layer.h"
#include "template/manifest.h"
#include "template/store.h"

#define DEFAULT_ENV "{\"PATH\":\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"}"
#define SPARE_BYTES (256 * WR_MIB)
#define PASSWD_MAX  (1024 * 1024)

struct source {
    int fd;
    struct stat st;
};

struct job {
    int source_fd, root_fd, layers_fd;
};

static int tar_worker(struct wr_worker *w, void *data, struct wr_error *err)
{
    const struct job *job = data;
    return wr_import_tar(w, job->source_fd, job->root_fd, err);
}

static int dir_worker(struct wr_worker *w, void *data, struct wr_error *err)
{
    const struct job *job = data;
    return wr_import_dir(w, job->source_fd, job->root_fd, job->layers_fd, err);
}

static int open_source(const char *path, struct source *ret, struct wr_error *err)
{
    wr_auto_close int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "cannot open %s", path);
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s is neither a directory nor a tar archive",
                       path);
    ret->st = st;
    ret->fd = wr_steal_fd(&fd);
    return 0;
}

static int check_free_name(int data_dirfd, const char *name, struct wr_error *err)
{
    wr_auto_template t = {0};
    struct wr_error why = {0};
    int rc = wr_template_load(data_dirfd, name, &t, &why);
    if (rc == -WR_E_NOT_FOUND) {
        if (!wr_strcopy(t.name, sizeof(t.name), name))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the template name %.64s is too long",
                           name);
        wr_template_manifest_default_aliases(&t);
        return wr_template_check_names(data_dirfd, &t, err);
    }
    if (rc == -WR_E_INVALID_ARGUMENT) {
        *err = why;
        return rc;
    }
    return wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                   "there is a template \"%s\" already: remove it or choose another name", name);
}

/* Mount points of every sandbox: real directories, because nothing may be mounted through a link.
 */
static int make_mount_points(int root_fd, struct wr_error *err)
{
    static const char *const names[] = {"dev", "proc", "sys", "run", "tmp"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        struct stat st;
        if (mkdirat(root_fd, names[i], 0755) < 0 && errno != EEXIST)
            return wr_fail_errno(err, WR_E_INTERNAL, "cannot make /%s in the template", names[i]);
        if (fstatat(root_fd, names[i], &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "/%s of the template is no directory",
                           names[i]);
    }
    if (fchmodat(root_fd, "tmp", 01777, 0) < 0 || fchown(root_fd, 0, 0) < 0 ||
        fchmod(root_fd, 0755) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL,
                             "cannot set the modes of the template's / and /tmp");
    return 0;
}

static int check_shell(int root_fd, struct wr_error *err)
{
    wr_auto_close int fd = wr_openat2(root_fd, "bin/sh", O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, 0,
            "the template has no /bin/sh, so no command could run in it: import the root file system "
            "of a whole distribution");
    return 0;
}

/* Whether /etc/passwd of the tree names a user called `user`. */
static bool has_user(int root_fd)
{
    wr_auto_close int fd =
        wr_openat2(root_fd, "etc/passwd", O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0, RESOLVE_IN_ROOT);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > PASSWD_MAX)
        return false;
    wr_auto_free char *text = wr_calloc(1, PASSWD_MAX + 2);
    if (!text)
        return false;
    text[0] = '\n';
    if (wr_read_full(fd, text + 1, PASSWD_MAX) < 0)
        return false;
    return strstr(text, "\nuser:") != NULL;
}

static int save_manifest(int data_dirfd, const char *name, const char *hash, int root_fd,
                         struct wr_error *err)
{
    wr_auto_template t = {
        .layer_count = 1, .created_ms = wr_wall_ms(), .env_json = wr_strdup(DEFAULT_ENV)};
    if (!t.env_json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for a manifest");
    if (!wr_strcopy(t.name, sizeof(t.name), name) ||
        !wr_strcopy(t.layers[0], sizeof(t.layers[0]), hash) ||
        !wr_strcopy(t.user, sizeof(t.user), has_user(root_fd) ? "user" : "root"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the template name %.64s is too long", name);
    wr_template_manifest_default_aliases(&t);
    int rc = wr_layer_size(root_fd, &t.size_bytes);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "cannot measure the new layer");
    return wr_template_save(data_dirfd, &t, err);
}

static int fill(struct wr_layer_draft *draft, const struct source *source, FILE *out,
                struct wr_error *err)
{
    struct job job = {source->fd, draft->root_fd, draft->layers_fd};
    const int keep[] = {job.source_fd, job.root_fd, job.layers_fd};
    bool directory = S_ISDIR(source->st.st_mode);
    struct wr_progress progress;
    wr_progress_init(&progress, out, "entries");
    wr_progress_phase(&progress, directory ? "copying" : "unpacking", 0, 0);
    int rc = wr_worker_run(directory ? dir_worker : tar_worker, &job, keep, WR_ARRAY_SIZE(keep),
                           &progress, err);
    if (rc == 0)
        rc = make_mount_points(draft->root_fd, err);
    if (rc == 0)
        rc = check_shell(draft->root_fd, err);
    wr_progress_end(&progress);
    return rc;
}

int wr_template_import(int data_dirfd, const char *name, const char *source_path, FILE *progress,
                       struct wr_error *err)
{
    if (geteuid() != 0)
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                       "importing a template needs root: run the command with sudo");
    struct source source = {.fd = -1};
    int rc = check_free_name(data_dirfd, name, err);
    if (rc == 0)
        rc = open_source(source_path, &source, err);
    if (rc < 0)
        return rc;
    wr_auto_close int source_fd = source.fd;
    wr_auto_layer_draft draft = WR_LAYER_DRAFT;
    uint64_t archive_bytes = S_ISREG(source.st.st_mode) ? (uint64_t)source.st.st_size : 0;
    rc = wr_layer_draft_open(data_dirfd, archive_bytes + SPARE_BYTES, &draft, err);
    if (rc == 0)
        rc = fill(&draft, &source, progress, err);
    if (rc < 0)
        return wr_wrap(err, "cannot import %.100s", source_path);

    unsigned char id[32];
    char hash[2 * sizeof(id) + 1];
    wr_random_bytes(id, sizeof(id));
    wr_hex_encode(id, sizeof(id), hash);
    rc = wr_layer_commit(&draft, hash, err);
    if (rc < 0)
        return rc;
    rc = save_manifest(data_dirfd, name, hash, draft.root_fd, err);
    if (rc < 0) {
        struct wr_error ignored = {0}; /* the first failure is the one to report */
        (void)!wr_layer_remove(data_dirfd, hash, &ignored);
    }
    return rc;
}
