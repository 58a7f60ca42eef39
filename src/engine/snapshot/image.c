#include "engine/snapshot/image.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/snapshot/hash.h"

#define FIRST_CAPACITY 64

/* The file with the id maps: 8 bytes of magic, a length of 32 bits, and a message of that length.
 */
#define USERNS_PREFIX    "userns-"
#define USERNS_MAGIC     8
#define USERNS_MAX_BYTES 4096
#define IDS              65536 /* of a slot */

/* Below a scratch directory. */
#define SCRATCH_FILE      "userns.img"
#define SCRATCH_DIRECTORY "image"

struct files {
    struct wr_image_file *list; /* owned */
    size_t count, capacity;
    uint64_t bytes;
};

static void files_done(struct files *files)
{
    free(files->list);
}

/* Hashes one file. 0 or -errno; -EINVAL for what is no regular file. */
static int sum_file(int dirfd, const char *name, struct wr_image_file *ret)
{
    struct stat st;
    wr_auto_close int fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    return S_ISREG(st.st_mode) ? wr_hash_file(fd, ret->hash, &ret->size_bytes) : -EINVAL;
}

static int add_file(int dirfd, const char *name, struct files *files, struct wr_error *err)
{
    if (files->count == WR_MANIFEST_MAX_FILES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the image has more than %d files",
                       WR_MANIFEST_MAX_FILES);
    if (files->count == files->capacity) {
        size_t capacity = files->capacity ? 2 * files->capacity : FIRST_CAPACITY;
        struct wr_image_file *list = wr_calloc(capacity, sizeof(*list));
        if (!list)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list the image");
        if (files->count)
            memcpy(list, files->list, files->count * sizeof(*list));
        free(files->list);
        files->list = list;
        files->capacity = capacity;
    }
    struct wr_image_file *file = &files->list[files->count];
    if (!wr_strcopy(file->name, sizeof(file->name), name))
        return wr_fail(err, WR_E_INTERNAL, ENAMETOOLONG, "file %.80s of the image", name);
    int rc = sum_file(dirfd, name, file);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "read file %.80s of the image", name);
    files->bytes += file->size_bytes;
    files->count++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct wr_image_file *)a)->name, ((const struct wr_image_file *)b)->name);
}

static int read_files(DIR *dir, struct files *files, struct wr_error *err)
{
    int rc = 0;
    for (struct dirent *e = readdir(dir); e && rc == 0; e = readdir(dir)) {
        if (wr_streq(e->d_name, ".") || wr_streq(e->d_name, ".."))
            continue;
        /* They quote what a sandbox named its files, and nobody needs them again. */
        if (!wr_ends_with(e->d_name, ".log"))
            rc = add_file(dirfd(dir), e->d_name, files, err);
        else if (unlinkat(dirfd(dir), e->d_name, 0) < 0)
            rc = wr_fail_errno(err, WR_E_INTERNAL, "remove %.80s", e->d_name);
    }
    return rc;
}

int wr_image_measure(int image_dirfd, struct wr_manifest *ret, struct wr_error *err)
{
    WR_CLEANUP(files_done) struct files files = {.count = 0};
    int fd = openat(image_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "list the image");
    }
    int rc = read_files(dir, &files, err);
    closedir(dir);
    if (rc < 0)
        return rc;
    if (files.count > 0)
        qsort(files.list, files.count, sizeof(files.list[0]), by_name);
    free(ret->files);
    ret->files = wr_steal_ptr(&files.list);
    ret->file_count = files.count;
    ret->image_bytes = files.bytes;
    return 0;
}

static int measure_file(int dirfd, const char *name, struct wr_image_file *ret)
{
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    ret->size_bytes = (uint64_t)st.st_size;
    return S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

static int check_file(int dirfd, const struct wr_image_file *wanted, bool sum, struct wr_error *err)
{
    struct wr_image_file found = {.size_bytes = 0};
    const int rc =
        sum ? sum_file(dirfd, wanted->name, &found) : measure_file(dirfd, wanted->name, &found);

    if (rc == -ENOMEM || rc == -EMFILE || rc == -ENFILE)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "check the image");
    if (rc < 0)
        return wr_fail(err, WR_E_DATA_LOSS, -rc, "the image is damaged: %s", wanted->name);
    if (found.size_bytes != wanted->size_bytes || (sum && !wr_streq(found.hash, wanted->hash)))
        return wr_fail(err, WR_E_DATA_LOSS, 0, "the image is damaged: %s is not what was written",
                       wanted->name);
    return 0;
}

int wr_image_check(int image_dirfd, const struct wr_manifest *manifest, enum wr_image_part part,
                   struct wr_error *err)
{
    int rc = 0;

    for (size_t i = 0; i < manifest->file_count && rc == 0; i++) {
        const struct wr_image_file *wanted = &manifest->files[i];
        const bool pages = wr_starts_with(wanted->name, "pages-");
        rc = check_file(image_dirfd, wanted, pages ? part != WR_IMAGE_REST : part != WR_IMAGE_PAGES,
                        err);
    }
    return rc;
}

static const char *find_userns(const struct wr_manifest *manifest)
{
    const char *found = NULL;
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (!wr_starts_with(manifest->files[i].name, USERNS_PREFIX))
            continue;
        if (found)
            return NULL;
        found = manifest->files[i].name;
    }
    return found;
}

static int put_varint(struct wr_buf *out, uint32_t value)
{
    int rc = 0;
    for (; value > 127 && rc == 0; value >>= 7)
        rc = wr_buf_append_char(out, (char)(value | 128));
    return rc < 0 ? rc : wr_buf_append_char(out, (char)value);
}

/* Both maps with one extent {first: 0, lower_first: host_base, count: 65536} each. */
static int put_maps(struct wr_buf *out, uint32_t host_base)
{
    static const char tags[] = {0x0a, 0x12}; /* uid_map, gid_map */
    wr_auto_buf extent = WR_BUF(32);
    int rc = wr_buf_append(&extent, "\x08\x00\x10", 3);
    if (rc == 0)
        rc = put_varint(&extent, host_base);
    if (rc == 0)
        rc = wr_buf_append_char(&extent, 0x18);
    if (rc == 0)
        rc = put_varint(&extent, IDS);
    for (size_t i = 0; i < sizeof(tags) && rc == 0; i++) {
        rc = wr_buf_append_char(out, tags[i]);
        if (rc == 0)
            rc = put_varint(out, (uint32_t)extent.len);
        if (rc == 0)
            rc = wr_buf_append(out, wr_buf_ptr(&extent), extent.len);
    }
    return rc;
}

static int write_userns(int image_dirfd, const char *name, uint32_t host_base, int scratch_dirfd,
                        struct wr_error *err)
{
    wr_auto_buf old = WR_BUF(USERNS_MAX_BYTES), maps = WR_BUF(USERNS_MAX_BYTES),
                text = WR_BUF(USERNS_MAX_BYTES);
    uint32_t length = 0;
    int rc = wr_file_read(image_dirfd, name, &old);
    if (rc == 0 && old.len >= USERNS_MAGIC + sizeof(length))
        memcpy(&length, wr_buf_ptr(&old) + USERNS_MAGIC, sizeof(length));
    if (rc < 0 || le32toh(length) + USERNS_MAGIC + sizeof(length) != old.len)
        return wr_fail(err, WR_E_DATA_LOSS, rc < 0 ? -rc : 0, "%s of the image", name);
    rc = put_maps(&maps, host_base);
    length = htole32((uint32_t)maps.len);
    if (rc == 0)
        rc = wr_buf_append(&text, wr_buf_ptr(&old), USERNS_MAGIC);
    if (rc == 0)
        rc = wr_buf_append(&text, &length, sizeof(length));
    if (rc == 0)
        rc = wr_buf_append(&text, wr_buf_ptr(&maps), maps.len);
    /* Like CRIU's own: restored processes may read it, as root of the sandbox. */
    if (rc == 0)
        rc = wr_file_replace(scratch_dirfd, SCRATCH_FILE, wr_buf_ptr(&text), text.len, 0644,
                             WR_VOLATILE);
    return rc < 0 ? wr_fail(err, wr_code_from_errno(-rc), -rc, "write the id map of a slot") : 0;
}

/*
 * The same directory as this mount namespace has it: descriptors from before it was made refer to
 * mounts of another one, where nothing can be mounted from here.
 */
static int open_here(int dirfd, int *ret_fd, struct wr_error *err)
{
    char link[32], path[PATH_MAX];
    struct stat wanted, found;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", dirfd);
    ssize_t len = readlink(link, path, sizeof(path));
    if (len < 0 || len == sizeof(path))
        return wr_fail_errno(err, WR_E_INTERNAL, "name of the image's directory");
    path[len] = '\0';
    wr_auto_close int fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &found) < 0 || fstat(dirfd, &wanted) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open %.120s", path);
    if (found.st_dev != wanted.st_dev || found.st_ino != wanted.st_ino)
        return wr_fail(err, WR_E_INTERNAL, 0, "%.120s is another directory here", path);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

/* Mounts what is at `from` (a directory, "" for itself) on `to`. *ret_fd is the mount. */
static int bind_at(int from_fd, const char *from, int to_fd, const char *to, int *ret_fd)
{
    wr_auto_close int tree =
        open_tree(from_fd, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (tree < 0 || move_mount(tree, "", to_fd, to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return -errno;
    *ret_fd = wr_steal_fd(&tree);
    return 0;
}

int wr_image_for_slot(int image_dirfd, const struct wr_manifest *manifest, uint32_t host_base,
                      int scratch_dirfd, int *ret_dirfd, struct wr_error *err)
{
    wr_auto_close int image = -1, scratch = -1, directory = -1, file = -1;
    const char *name = find_userns(manifest);
    if (!name)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "the image has not exactly one user namespace");
    int rc = open_here(image_dirfd, &image, err);
    if (rc == 0)
        rc = open_here(scratch_dirfd, &scratch, err);
    if (rc == 0)
        rc = write_userns(image_dirfd, name, host_base, scratch_dirfd, err);
    if (rc < 0)
        return rc;
    if (mkdirat(scratch, SCRATCH_DIRECTORY, 0700) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make a directory for the image");
    rc = bind_at(image, "", scratch, SCRATCH_DIRECTORY, &directory);
    if (rc == 0)
        rc = bind_at(scratch, SCRATCH_FILE, directory, name, &file);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "mount the image");
    int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the image");
    *ret_dirfd = fd;
    return 0;
}
