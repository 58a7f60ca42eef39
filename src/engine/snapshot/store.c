#include "engine/snapshot/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/rand.h"
#include "engine/storage/quota.h"
#include "log/log.h"

#define SNAPSHOTS "snapshots"
#define MANIFEST  "manifest.json"
#define IMAGE     "image"
#define FILES     "files"
#define NEW       ".new-"  /* prefix of what is being made */
#define GONE      ".gone-" /* prefix of what is being removed */

/* Longest name: a prefix and an id. */
#define NAME_CAP          (sizeof(GONE) + WR_ID_LEN)
#define FIRST_CAPACITY    64
#define LIST_MAX          ((size_t)1 << 20)
/* What a chain of copies may have beyond the limit, once, however long it is: so that what is full
 * can be copied, and the copy can be used. */
#define CHAIN_EXTRA_BYTES (16 * WR_MIB)
/* Without that a copy could not even keep its record. */
#define LEAST_OWN_BYTES   (4 * WR_MIB)
/* Of an upper directory: what it shared when it was made, in bytes. */
#define SHARED            "trusted.warren.shared"

struct wr_snapshots {
    struct wr_volume *volume; /* borrowed */
    struct wr_quota *quota;   /* borrowed: the volume's */
    int dirfd;
    bool stale; /* there may be something to collect */
};

int wr_snapshots_open(struct wr_volume *volume, struct wr_snapshots **ret, struct wr_error *err)
{
    const int volume_fd = wr_volume_fd(volume);
    if (mkdirat(volume_fd, SNAPSHOTS, 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory " SNAPSHOTS);
    wr_auto_close int fd =
        openat(volume_fd, SNAPSHOTS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* 0700 whatever it was: memory and setuid files of sandboxes lie below it. */
    if (fd < 0 || fchmod(fd, 0700) < 0 || fchown(fd, 0, 0) < 0 || fsync(volume_fd) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open directory " SNAPSHOTS);
    struct wr_snapshots *snapshots = wr_calloc(1, sizeof(*snapshots));
    if (!snapshots)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open " SNAPSHOTS);
    snapshots->volume = volume;
    snapshots->quota = wr_volume_quota(volume);
    snapshots->dirfd = wr_steal_fd(&fd);
    snapshots->stale = true; /* an earlier engine may have been interrupted */
    *ret = snapshots;
    return 0;
}

struct wr_snapshots *wr_snapshots_free(struct wr_snapshots *snapshots)
{
    if (!snapshots)
        return NULL;
    wr_close(snapshots->dirfd);
    free(snapshots);
    return NULL;
}

void wr_snapshots_fds(const struct wr_snapshots *snapshots, int ret[static WR_SNAPSHOTS_FDS])
{
    ret[0] = snapshots->dirfd;
    wr_volume_fds(snapshots->volume, ret + 1);
}

static int check_id(const char *id, struct wr_error *err)
{
    return wr_id_valid(id) ? 0
                           : wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                                     "\"%.40s\" is not the id of a snapshot", id);
}

static void new_name(const char *id, char ret[static NAME_CAP])
{
    snprintf(ret, NAME_CAP, NEW "%.*s", WR_ID_LEN, id);
}

static int open_directory(int dirfd, const char *name)
{
    int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* Gone for everybody by a rename; a missing one is success. 0 or -errno. */
static int move_away(struct wr_snapshots *snapshots, const char *name)
{
    char gone[NAME_CAP] = GONE;
    wr_random_id(gone + strlen(GONE), WR_ID_LEN);
    if (renameat(snapshots->dirfd, name, snapshots->dirfd, gone) < 0)
        return errno == ENOENT ? 0 : -errno;
    snapshots->stale = true;
    return 0;
}

/* What an interrupted begin() left must not be in the way of the next one. But a job of an earlier
 * engine may still be at work in it. */
static int clear_leftover(struct wr_snapshots *snapshots, const char *name, struct wr_error *err)
{
    wr_auto_close int fd = open_directory(snapshots->dirfd, name);
    if (fd == -ENOENT)
        return 0;
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "it is being made already");
    int rc = move_away(snapshots, name);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "move a half-made snapshot away") : 0;
}

static int make(struct wr_snapshots *snapshots, const char *name, uint64_t max_bytes,
                int *ret_dirfd, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    struct wr_quota *quota = snapshots->quota;
    int rc = clear_leftover(snapshots, name, err);
    if (rc == 0)
        rc = wr_volume_check_room(snapshots->volume, err);
    if (rc == 0)
        rc = quota->ops->make(quota, snapshots->dirfd, name, max_bytes, &fd, err);
    if (rc < 0)
        return rc;
    /* CRIU opens what is in the image as root of the sandbox, to whom the way there is closed. */
    if (fchmod(fd, 0700) < 0 || mkdirat(fd, IMAGE, 0755) < 0 || fchmodat(fd, IMAGE, 0755, 0) < 0) {
        int cause = errno;
        (void)!move_away(snapshots, name); /* else the next begin() does */
        return wr_fail(err, wr_code_from_errno(cause), cause, "make the directory of a snapshot");
    }
    *ret_dirfd = wr_steal_fd(&fd);
    return 0;
}

int wr_snapshot_begin_over(struct wr_snapshots *snapshots, const char *id, uint64_t max_bytes,
                           int *ret_dirfd, struct wr_error *err)
{
    char name[NAME_CAP];
    int rc = check_id(id, err);
    if (rc < 0)
        return rc;
    new_name(id, name);
    rc = make(snapshots, name, max_bytes, ret_dirfd, err);
    return rc < 0 ? wr_wrap(err, "snapshot %s", id) : 0;
}

int wr_snapshot_begin(struct wr_snapshots *snapshots, const char *id, uint64_t max_bytes,
                      int *ret_dirfd, struct wr_error *err)
{
    int rc = check_id(id, err);
    if (rc < 0)
        return rc;
    if (faccessat(snapshots->dirfd, id, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a snapshot %s already", id);
    return wr_snapshot_begin_over(snapshots, id, max_bytes, ret_dirfd, err);
}

int wr_snapshot_copy_files(struct wr_snapshots *snapshots, int upper_dirfd, int dirfd,
                           struct wr_error *err)
{
    struct wr_quota *quota = snapshots->quota;
    struct wr_quota_clone clone = {
        .src_fd = upper_dirfd, .keep = "u", .parent_fd = dirfd, .name = FILES};
    uint64_t used = 0;
    wr_auto_close int fd = -1;
    /* What fitted there fits here. */
    int rc = quota->ops->usage(quota, upper_dirfd, &used, &clone.max_bytes, err);
    if (rc == 0)
        rc = wr_volume_check_room(snapshots->volume, err);
    if (rc == 0)
        rc = quota->ops->clone(quota, &clone, &fd, err);
    return rc < 0 ? wr_wrap(err, "copy a sandbox's files") : 0;
}

/* The name for the complete one, in one step. An older one of that name has the other name then. */
static int publish(struct wr_snapshots *snapshots, const char *id)
{
    char name[NAME_CAP];
    int dirfd = snapshots->dirfd;
    new_name(id, name);
    if (renameat2(dirfd, name, dirfd, id, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    return renameat2(dirfd, name, dirfd, id, RENAME_EXCHANGE) < 0 ? -errno
                                                                  : move_away(snapshots, name);
}

int wr_snapshot_commit(struct wr_snapshots *snapshots, int dirfd,
                       const struct wr_manifest *manifest, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(2 * WR_MANIFEST_MAX_BYTES);
    int rc = check_id(manifest->id, err);
    if (rc < 0)
        return rc;
    rc = wr_manifest_write(manifest, &text);
    if (rc == 0)
        rc = wr_file_replace(dirfd, MANIFEST, wr_buf_ptr(&text), text.len, 0600, WR_VOLATILE);
    /* Image, files, and what a hibernated sandbox wrote to its own. */
    if (rc == 0)
        rc = syncfs(dirfd) < 0 ? -errno : 0;
    if (rc == 0)
        rc = publish(snapshots, manifest->id);
    if (rc == 0)
        rc = fsync(snapshots->dirfd) < 0 ? -errno : 0;
    return rc < 0 ? wr_fail(err, wr_code_from_errno(-rc), -rc, "write snapshot %s", manifest->id)
                  : 0;
}

int wr_snapshot_abandon(struct wr_snapshots *snapshots, const char *id, struct wr_error *err)
{
    char name[NAME_CAP];
    int rc = check_id(id, err);
    if (rc < 0)
        return rc;
    new_name(id, name);
    rc = move_away(snapshots, name);
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "give up snapshot %s", id) : 0;
}

static int open_snapshot(struct wr_snapshots *snapshots, const char *id, int *ret_fd,
                         struct wr_error *err)
{
    int rc = check_id(id, err);
    int fd = rc < 0 ? rc : open_directory(snapshots->dirfd, id);
    if (rc < 0)
        return rc;
    if (fd == -ENOENT)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no snapshot %s", id);
    if (fd < 0)
        return wr_fail(err, WR_E_INTERNAL, -fd, "open snapshot %s", id);
    *ret_fd = fd;
    return 0;
}

static int load(int dirfd, const char *id, struct wr_manifest *ret, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(2 * WR_MANIFEST_MAX_BYTES);
    struct wr_manifest manifest = {.file_count = 0};
    int rc = wr_file_read(dirfd, MANIFEST, &text);
    if (rc < 0)
        return wr_fail(err, rc == -ENOMEM ? WR_E_RESOURCE_EXHAUSTED : WR_E_DATA_LOSS, -rc,
                       "read the manifest of snapshot %s", id);
    rc = wr_manifest_read(wr_buf_ptr(&text), text.len, &manifest, err);
    if (rc == 0 && !wr_streq(manifest.id, id)) {
        rc = wr_fail(err, WR_E_DATA_LOSS, 0, "its manifest is that of %s", manifest.id);
        wr_manifest_done(&manifest);
    }
    if (rc < 0)
        return wr_wrap(err, "snapshot %s", id);
    *ret = manifest;
    return 0;
}

int wr_snapshot_load(struct wr_snapshots *snapshots, const char *id, struct wr_manifest *ret,
                     int *ret_dirfd, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    int rc = open_snapshot(snapshots, id, &fd, err);
    if (rc == 0)
        rc = load(fd, id, ret, err);
    if (rc == 0 && ret_dirfd)
        *ret_dirfd = wr_steal_fd(&fd);
    return rc;
}

/* What files/ is charged with; where sharing is free, what the sandbox had been charged with. */
static int files_usage(struct wr_snapshots *snapshots, int dirfd, const char *id, uint64_t *ret,
                       struct wr_error *err)
{
    struct wr_quota *quota = snapshots->quota;
    struct wr_manifest manifest = {.file_count = 0};
    uint64_t max_bytes = 0;
    wr_auto_close int fd = open_directory(dirfd, FILES);
    if (fd < 0)
        return 0; /* it has none */
    if (!quota->shares_for_free)
        return quota->ops->usage(quota, fd, ret, &max_bytes, err);
    int rc = load(dirfd, id, &manifest, err);
    if (rc == 0)
        *ret = manifest.files_bytes;
    wr_manifest_done(&manifest);
    return rc;
}

int wr_snapshot_usage(struct wr_snapshots *snapshots, const char *id, uint64_t *ret_bytes,
                      struct wr_error *err)
{
    wr_auto_close int fd = -1;
    uint64_t image = 0, files = 0, max_bytes = 0;
    int rc = open_snapshot(snapshots, id, &fd, err);
    if (rc == 0)
        rc = snapshots->quota->ops->usage(snapshots->quota, fd, &image, &max_bytes, err);
    if (rc == 0)
        rc = files_usage(snapshots, fd, id, &files, err);
    if (rc == 0)
        *ret_bytes = image + files;
    return rc;
}

/* files/ is limited by itself, so it goes by itself, and first: a subvolume with another one in it
 * stays. */
static int collect_one(struct wr_snapshots *snapshots, const char *name, struct wr_error *err)
{
    struct wr_quota *quota = snapshots->quota;
    wr_auto_close int fd = open_directory(snapshots->dirfd, name);
    if (fd < 0)
        return wr_fail(err, WR_E_INTERNAL, -fd, "open %s", name);
    int rc = quota->ops->remove(quota, fd, FILES, err);
    fd = wr_close(fd);
    return rc < 0 ? rc : quota->ops->remove(quota, snapshots->dirfd, name, err);
}

/* Not even a name can be changed on a full file system, but a removal has room of its own: whoever
 * makes room must be able to. Interrupted, it is one that cannot be read, and is removed again. */
static int remove_at_once(struct wr_snapshots *snapshots, const char *id, struct wr_error *err)
{
    wr_auto_close int fd = open_directory(snapshots->dirfd, id);
    if (fd >= 0)
        (void)unlinkat(fd, MANIFEST, 0);
    int rc = collect_one(snapshots, id, err);
    return rc < 0 ? wr_wrap(err, "remove snapshot %s", id) : 0;
}

int wr_snapshot_remove(struct wr_snapshots *snapshots, const char *id, struct wr_error *err)
{
    int rc = check_id(id, err);
    if (rc < 0)
        return rc;
    rc = move_away(snapshots, id);
    if (rc == -ENOSPC || rc == -EDQUOT)
        return remove_at_once(snapshots, id, err);
    if (rc == 0)
        rc = fsync(snapshots->dirfd) < 0 && errno != ENOSPC ? -errno : 0;
    return rc < 0 ? wr_fail(err, WR_E_INTERNAL, -rc, "remove snapshot %s", id) : 0;
}

/* Calls `fn` for each name with that prefix, until it returns false. */
static int each_name(const struct wr_snapshots *snapshots, const char *prefix,
                     bool (*fn)(const char *name, void *data), void *data, struct wr_error *err)
{
    int fd = openat(snapshots->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "list " SNAPSHOTS);
    }
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        size_t len = strlen(prefix);
        if (wr_starts_with(e->d_name, prefix) && wr_id_valid(e->d_name + len) &&
            !fn(e->d_name, data))
            break;
    }
    closedir(dir);
    return 0;
}

struct collecting {
    struct wr_snapshots *snapshots;
    bool done_one;
};

/* One in each round. One that resists is left to the next engine. */
static bool collect_name(const char *name, void *data)
{
    struct collecting *c = data;
    struct wr_error err;
    c->done_one = collect_one(c->snapshots, name, &err) == 0;
    if (!c->done_one)
        wr_log(WR_LOG_WARN, err.msg, "snapshot", name, NULL);
    return !c->done_one;
}

bool wr_snapshots_collect(struct wr_snapshots *snapshots)
{
    struct collecting c = {.snapshots = snapshots};
    struct wr_error err;
    if (!snapshots->stale)
        return false;
    if (each_name(snapshots, GONE, collect_name, &c, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
    snapshots->stale = c.done_one;
    return c.done_one;
}

struct ids {
    char (*list)[WR_ID_LEN + 1]; /* owned */
    size_t count, capacity;
    size_t prefix_len;
    bool failed;
};

static bool add_id(const char *name, void *data)
{
    struct ids *ids = data;
    if (ids->count == ids->capacity) {
        size_t capacity = ids->capacity ? 2 * ids->capacity : FIRST_CAPACITY;
        char(*list)[WR_ID_LEN + 1] =
            capacity > LIST_MAX ? NULL : wr_calloc(capacity, sizeof(*list));
        if (!list) {
            ids->failed = true;
            return false;
        }
        if (ids->count)
            memcpy(list, ids->list, ids->count * sizeof(*list));
        free(ids->list);
        ids->list = list;
        ids->capacity = capacity;
    }
    memcpy(ids->list[ids->count++], name + ids->prefix_len, sizeof(*ids->list));
    return true;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(a, b);
}

int wr_snapshots_list(struct wr_snapshots *snapshots, bool making,
                      void (*fn)(const char *id, void *data), void *data, struct wr_error *err)
{
    const char *prefix = making ? NEW : "";
    struct ids ids = {.prefix_len = strlen(prefix)};
    int rc = each_name(snapshots, prefix, add_id, &ids, err);
    if (rc == 0 && ids.failed)
        rc = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list " SNAPSHOTS);
    if (rc == 0 && ids.count > 0) {
        qsort(ids.list, ids.count, sizeof(*ids.list), by_id);
        for (size_t i = 0; i < ids.count; i++)
            fn(ids.list[i], data);
    }
    free(ids.list);
    return rc;
}

/* What it shares is paid for by whoever wrote it. With the whole limit on top of that, N forks of a
 * full sandbox could each hold twice what it may; with a little for each, a long chain of them. 0
 * when too little is left. */
static uint64_t own_limit(const struct wr_snapshots *snapshots, uint64_t shared_bytes,
                          uint64_t max_bytes)
{
    if (!snapshots->quota->shares_for_free)
        return max_bytes;
    if (shared_bytes + CHAIN_EXTRA_BYTES <= max_bytes)
        return max_bytes - shared_bytes;
    if (shared_bytes <= max_bytes)
        return CHAIN_EXTRA_BYTES;
    uint64_t over = shared_bytes - max_bytes;
    return over + LEAST_OWN_BYTES <= CHAIN_EXTRA_BYTES ? CHAIN_EXTRA_BYTES - over : 0;
}

int wr_snapshot_check_limit(const struct wr_snapshots *snapshots, uint64_t files_bytes,
                            uint64_t max_bytes, struct wr_error *err)
{
    if (own_limit(snapshots, files_bytes, max_bytes) > 0)
        return 0;
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                   "its files take %llu MiB, and with a disk limit of %llu MiB a copy could not "
                   "write anything: it needs a higher one",
                   (unsigned long long)(files_bytes / WR_MIB),
                   (unsigned long long)(max_bytes / WR_MIB));
}

/* One that has none shares nothing. */
static int read_shared(int upper_dirfd, uint64_t *ret, struct wr_error *err)
{
    char text[24];
    ssize_t len = fgetxattr(upper_dirfd, SHARED, text, sizeof(text) - 1);
    *ret = 0;
    if (len < 0 && errno == ENODATA)
        return 0;
    if (len < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "read " SHARED);
    text[len] = '\0';
    int rc = wr_parse_u64(text, 0, INT64_MAX, ret);
    return rc < 0 ? wr_fail(err, WR_E_DATA_LOSS, -rc, "read " SHARED) : 0;
}

static int write_shared(int upper_dirfd, uint64_t bytes, struct wr_error *err)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
    return fsetxattr(upper_dirfd, SHARED, text, (size_t)len, 0) < 0
               ? wr_fail_errno(err, wr_code_from_errno(errno), "write " SHARED)
               : 0;
}

int wr_snapshot_upper_new(struct wr_snapshots *snapshots, int snapshot_dirfd,
                          const struct wr_manifest *manifest, const char *name, uint64_t max_bytes,
                          int *ret_dirfd, struct wr_error *err)
{
    wr_auto_close int upper = -1;
    struct wr_error ignored;
    if (!manifest->own_files)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%s has no files of its own",
                       manifest->id);
    wr_auto_close int files = open_directory(snapshot_dirfd, FILES);
    if (files < 0)
        return wr_fail(err, WR_E_DATA_LOSS, -files, "the files of snapshot %s", manifest->id);
    int rc = wr_snapshot_check_limit(snapshots, manifest->files_bytes, max_bytes, err);
    if (rc < 0)
        return wr_wrap(err, "snapshot %s", manifest->id);
    rc = wr_volume_upper_clone(snapshots->volume, files, name,
                               own_limit(snapshots, manifest->files_bytes, max_bytes), &upper, err);
    if (rc < 0)
        return rc;
    if (snapshots->quota->shares_for_free)
        rc = write_shared(upper, manifest->files_bytes, err);
    if (rc < 0) {
        (void)!wr_volume_upper_remove(snapshots->volume, name, &ignored); /* `err` is what counts */
        return rc;
    }
    *ret_dirfd = wr_steal_fd(&upper);
    return 0;
}

int wr_snapshot_upper_usage(struct wr_snapshots *snapshots, int upper_dirfd, uint64_t *ret_bytes,
                            struct wr_error *err)
{
    struct wr_quota *quota = snapshots->quota;
    uint64_t used = 0, limit = 0, shared = 0;
    int rc = quota->ops->usage(quota, upper_dirfd, &used, &limit, err);
    if (rc == 0 && quota->shares_for_free)
        rc = read_shared(upper_dirfd, &shared, err);
    if (rc == 0)
        *ret_bytes = used + shared;
    return rc;
}

int wr_snapshot_upper_set_limit(struct wr_snapshots *snapshots, int upper_dirfd, uint64_t max_bytes,
                                uint64_t more_bytes, struct wr_error *err)
{
    uint64_t shared = 0;
    int rc = snapshots->quota->shares_for_free ? read_shared(upper_dirfd, &shared, err) : 0;
    if (rc < 0)
        return rc;
    uint64_t own_bytes = WR_MAX(own_limit(snapshots, shared, max_bytes), LEAST_OWN_BYTES);
    return wr_volume_upper_set_limit(snapshots->volume, upper_dirfd, own_bytes + more_bytes, err);
}

int wr_snapshot_upper_renew(int upper_dirfd, struct wr_error *err)
{
    int rc = wr_remove_tree(upper_dirfd, "w");
    if (rc == 0 && (mkdirat(upper_dirfd, "w", 0755) < 0 || fchmodat(upper_dirfd, "w", 0755, 0) < 0))
        rc = -errno;
    return rc < 0 ? wr_fail(err, wr_code_from_errno(-rc), -rc, "make a new work directory") : 0;
}
