#include "engine/isolate/device_layer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"

/* Raised when the tables below change: it is part of the layer's name. */
#define LAYER_FORMAT 5

struct entry {
    const char *path;
    mode_t mode; /* with the file type */
    unsigned major, minor;
    const char *text; /* target of a link, contents of a file */
};

/* Every question goes to the host's side (docs/internals/network.md), which gives up after 5 s; a
 * second one is for what its queue could not take. Whatever the template has in this place, a link
 * to a file of its resolver's too, is hidden by this. */
#define RESOLV_CONF "nameserver 192.0.0.1\noptions timeout:6 attempts:2\n"

static const struct entry entries[] = {
    {"dev", S_IFDIR | 0755, 0, 0, NULL},
    {"dev/null", S_IFCHR | 0666, 1, 3, NULL},
    {"dev/zero", S_IFCHR | 0666, 1, 5, NULL},
    {"dev/full", S_IFCHR | 0666, 1, 7, NULL},
    {"dev/random", S_IFCHR | 0666, 1, 8, NULL},
    {"dev/urandom", S_IFCHR | 0666, 1, 9, NULL},
    {"dev/tty", S_IFCHR | 0666, 5, 0, NULL},
    {"dev/ptmx", S_IFLNK, 0, 0, "pts/ptmx"},
    {"dev/fd", S_IFLNK, 0, 0, "/proc/self/fd"},
    {"dev/stdin", S_IFLNK, 0, 0, "/proc/self/fd/0"},
    {"dev/stdout", S_IFLNK, 0, 0, "/proc/self/fd/1"},
    {"dev/stderr", S_IFLNK, 0, 0, "/proc/self/fd/2"},
    {"dev/pts", S_IFDIR | 0755, 0, 0, NULL},
    {"dev/shm", S_IFDIR | 01777, 0, 0, NULL},
    {"proc", S_IFDIR | 0555, 0, 0, NULL},
    {"sys", S_IFDIR | 0555, 0, 0, NULL},
    {"run", S_IFDIR | 0755, 0, 0, NULL},
    {"etc", S_IFDIR | 0755, 0, 0, NULL},
    {"etc/resolv.conf", S_IFREG | 0644, 0, 0, RESOLV_CONF},
    {".warren", S_IFDIR | 0755, 0, 0, NULL},
    {".warren/blank", S_IFREG | 0444, 0, 0, NULL},
    {".warren/empty", S_IFDIR | 0555, 0, 0, NULL},
};

struct content {
    const void *data;
    size_t len;
};

static int write_file(int dirfd, const char *path, const struct content *content, mode_t mode,
                      struct wr_error *err)
{
    int rc = wr_file_replace(dirfd, path, content->data, content->len, mode, WR_VOLATILE);

    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "write %s into the device layer", path) : 0;
}

static int make_entry(int dirfd, const struct entry *e, struct wr_error *err)
{
    int rc;

    if (S_ISDIR(e->mode))
        rc = mkdirat(dirfd, e->path, e->mode & 07777);
    else if (S_ISLNK(e->mode))
        rc = symlinkat(e->text, dirfd, e->path);
    else if (S_ISREG(e->mode) && e->text)
        return write_file(dirfd, e->path, &(struct content){e->text, strlen(e->text)},
                          e->mode & 07777, err);
    else
        rc = mknodat(dirfd, e->path, e->mode, makedev(e->major, e->minor));
    /* The umask is not ours to rely on. */
    if (rc == 0 && !S_ISLNK(e->mode))
        rc = fchmodat(dirfd, e->path, e->mode & 07777, 0);
    if (rc < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make %s of the device layer", e->path);
    return 0;
}

/* Directories as the umask would have them are not what everybody inside has to be able to enter.
 */
static int make_parents(int dirfd, char *path, struct wr_error *err)
{
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int rc = mkdirat(dirfd, path, 0755);
        if ((rc < 0 && errno != EEXIST) || (rc == 0 && fchmodat(dirfd, path, 0755, 0) < 0))
            return wr_fail_errno(err, WR_E_INTERNAL, "make %s of the device layer", path);
        *slash = '/';
    }
    return 0;
}

static int make_file(int dirfd, const struct wr_device_file *file, struct wr_error *err)
{
    char path[256];

    if (!wr_strformat(path, sizeof(path), ".warren/%s", file->path))
        return wr_fail(err, WR_E_INTERNAL, 0, "the path %s is too long", file->path);
    int rc = make_parents(dirfd, path, err);
    if (rc < 0)
        return rc;
    return write_file(dirfd, path, &(struct content){file->data, file->len}, 0644, err);
}

static int fill(int dirfd, const struct wr_device_contents *contents, struct wr_error *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(entries); i++)
        rc = make_entry(dirfd, &entries[i], err);
    for (size_t i = 0; rc == 0 && i < contents->file_count; i++)
        rc = make_file(dirfd, &contents->files[i], err);
    if (rc < 0)
        return rc;
    rc = write_file(dirfd, ".warren/agent",
                    &(struct content){contents->program, contents->program_len}, 0755, err);
    if (rc < 0)
        return rc;
    /* All at once, before the layer gets its name. */
    if (syncfs(dirfd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "write the device layer to disk");
    return 0;
}

/* Format, then each part with its length, so that no two contents look the same. */
static void hash_contents(const struct wr_device_contents *contents,
                          char out[static 2 * WR_SHA256_LEN + 1])
{
    struct wr_sha256 h;
    unsigned char digest[WR_SHA256_LEN];

    wr_sha256_init(&h);
    wr_sha256_update(&h, &contents->program_len, sizeof(contents->program_len));
    wr_sha256_update(&h, contents->program, contents->program_len);
    for (size_t i = 0; i < contents->file_count; i++) {
        const struct wr_device_file *file = &contents->files[i];
        wr_sha256_update(&h, file->path, strlen(file->path) + 1);
        wr_sha256_update(&h, &file->len, sizeof(file->len));
        wr_sha256_update(&h, file->data, file->len);
    }
    wr_sha256_final(&h, digest);
    wr_sha256_hex(digest, sizeof(digest), out);
}

static int open_layer(int layers, const char *name)
{
    return openat(layers, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int wr_device_layer_open(int data_dirfd, const struct wr_device_contents *contents, int *ret_fd,
                         struct wr_error *err)
{
    char hash[2 * WR_SHA256_LEN + 1], name[96], temp[112];

    hash_contents(contents, hash);
    if (!wr_strformat(name, sizeof(name), ".warren-%d-%.32s", LAYER_FORMAT, hash) ||
        !wr_strformat(temp, sizeof(temp), "%s.tmp", name))
        return wr_fail(err, WR_E_INTERNAL, 0, "name of the device layer is too long");
    int rc = wr_mkdir_parents(data_dirfd, "layers", 0700);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "make the directory layers");
    wr_auto_close int layers =
        openat(data_dirfd, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (layers < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the directory layers");
    wr_auto_close int fd = open_layer(layers, name);
    if (fd >= 0) {
        *ret_fd = wr_steal_fd(&fd);
        return 0;
    }
    /* One engine per data directory (a lock), so a leftover of the same name is a crashed attempt.
     */
    rc = wr_remove_tree(layers, temp);
    if (rc < 0 || mkdirat(layers, temp, 0755) < 0)
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : errno, "make the device layer");
    wr_auto_close int made = open_layer(layers, temp);
    if (made < 0 || fchmod(made, 0755) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the device layer");
    rc = fill(made, contents, err);
    if (rc == 0 && renameat(layers, temp, layers, name) < 0)
        rc = wr_fail_errno(err, WR_E_INTERNAL, "publish the device layer");
    if (rc == 0)
        *ret_fd = wr_steal_fd(&made);
    return rc;
}

void wr_device_layer_collect(int data_dirfd, int layer_fd,
                             bool (*used)(const char *name, void *data), void *data)
{
    int layers = openat(data_dirfd, "layers", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = layers < 0 ? NULL : fdopendir(layers);
    const struct dirent *entry;
    struct stat current, st;

    if (!dir)
        wr_close(layers);
    while (dir && (entry = readdir(dir))) {
        if (!wr_starts_with(entry->d_name, ".warren-") || fstat(layer_fd, &current) < 0 ||
            fstatat(layers, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            (st.st_ino == current.st_ino && st.st_dev == current.st_dev) ||
            used(entry->d_name, data))
            continue;
        (void)!wr_remove_tree(layers, entry->d_name); /* the next start tries again */
    }
    if (dir)
        closedir(dir);
}
