#include "engine/snapshot/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/rand.h"
#include "log/log.h"

#define DIRECTORY "memory"
#define NEW       ".new-"
#define HEX       "0123456789abcdef"

/* As the memory file of a zygote has it, which CRIU compares (nest/zygote/layout.c). Root of a
 * sandbox opens it by a descriptor, as anybody. */
#define MODE 0555

#define HOLDER_CAP (WR_HASH_LEN + 1 + WR_ID_LEN + 1)
#define SUMS       64
#define LIVE_MAX   256

#define COMPARE_BYTES ((size_t)256 * 1024)

struct wr_memory {
    int dirfd;
    uint64_t max_bytes;              /* of all of it */
    struct wr_memory_sum sums[SUMS]; /* a ring */
    size_t next;
    struct wr_memory_news news;
};

int wr_memory_open(int volume_fd, uint64_t max_bytes, struct wr_memory **ret, struct wr_error *err)
{
    if (mkdirat(volume_fd, DIRECTORY, 0700) < 0 && errno != EEXIST)
        return wr_fail_errno(err, wr_code_from_errno(errno), "make directory " DIRECTORY);
    wr_auto_close int fd =
        openat(volume_fd, DIRECTORY, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0700) < 0 || fchown(fd, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open directory " DIRECTORY);
    struct wr_memory *memory = wr_calloc(1, sizeof(*memory));
    if (!memory)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open " DIRECTORY);
    memory->dirfd = wr_steal_fd(&fd);
    memory->max_bytes = max_bytes;
    *ret = memory;
    return 0;
}

struct wr_memory *wr_memory_free(struct wr_memory *memory)
{
    if (!memory)
        return NULL;
    wr_close(memory->dirfd);
    free(memory);
    return NULL;
}

int wr_memory_fd(const struct wr_memory *memory)
{
    return memory->dirfd;
}

/* ---- Sums ---- */

static struct wr_memory_sum identity(const struct stat *st)
{
    return (struct wr_memory_sum){.dev = st->st_dev,
                                  .ino = st->st_ino,
                                  .size_bytes = (uint64_t)st->st_size,
                                  .changed_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 +
                                                st->st_ctim.tv_nsec};
}

static bool is_same(const struct wr_memory_sum *a, const struct wr_memory_sum *b)
{
    return a->ino == b->ino && a->dev == b->dev && a->size_bytes == b->size_bytes &&
           a->changed_ns == b->changed_ns;
}

static void store_sum(struct wr_memory *memory, const struct wr_memory_sum *sum)
{
    memory->sums[memory->next++ % SUMS] = *sum;
}

static void remember(struct wr_memory *memory, const struct stat *st, const char *hash)
{
    struct wr_memory_sum sum = identity(st);

    memcpy(sum.hash, hash, sizeof(sum.hash));
    store_sum(memory, &sum);
    if (memory->news.count < WR_ARRAY_SIZE(memory->news.sums))
        memory->news.sums[memory->news.count++] = sum;
}

void wr_memory_news(const struct wr_memory *memory, struct wr_memory_news *ret)
{
    *ret = memory->news;
}

void wr_memory_learn(struct wr_memory *memory, const struct wr_memory_news *news)
{
    for (size_t i = 0; i < news->count; i++)
        store_sum(memory, &news->sums[i]);
}

/* NULL: it was not read yet. */
static const char *known_sum(const struct wr_memory *memory, const struct stat *st)
{
    const struct wr_memory_sum wanted = identity(st);

    for (size_t i = 0; i < WR_ARRAY_SIZE(memory->sums); i++)
        if (memory->sums[i].hash[0] && is_same(&memory->sums[i], &wanted))
            return memory->sums[i].hash;
    return NULL;
}

/* Of what `fd` is; read only if it is not known. 0 or -errno. */
static int sum_of(struct wr_memory *memory, int fd, const struct stat *st,
                  char ret[static WR_HASH_LEN + 1])
{
    const char *known = known_sum(memory, st);
    uint64_t bytes = 0;

    if (known) {
        memcpy(ret, known, WR_HASH_LEN + 1);
        return 0;
    }
    int rc = wr_hash_file(fd, ret, &bytes);
    if (rc == 0 && bytes != (uint64_t)st->st_size)
        rc = -EIO;
    if (rc == 0)
        remember(memory, st, ret);
    return rc;
}

/* 1, 0, or -errno. */
static int have_same_bytes(int one, int other, uint64_t size_bytes)
{
    static char a[COMPARE_BYTES], b[COMPARE_BYTES];

    for (uint64_t at = 0; at < size_bytes;) {
        const ssize_t n = pread(one, a, sizeof(a), (off_t)at);
        if (n <= 0 || pread(other, b, (size_t)n, (off_t)at) != n)
            return n < 0 ? -errno : -EIO;
        if (memcmp(a, b, (size_t)n) != 0)
            return 0;
        at += (uint64_t)n;
    }
    return 1;
}

/* ---- Names ---- */

static bool is_content(const char *name)
{
    return wr_str_only(name, HEX, WR_HASH_LEN, WR_HASH_LEN);
}

static bool is_holder(const char *name)
{
    char hash[WR_HASH_LEN + 1];

    if (strlen(name) != HOLDER_CAP - 1 || name[WR_HASH_LEN] != '-')
        return false;
    memcpy(hash, name, WR_HASH_LEN);
    hash[WR_HASH_LEN] = '\0';
    return is_content(hash) && wr_id_valid(name + WR_HASH_LEN + 1);
}

/* A description of its own: that of the engine is shared with its jobs, and with it a lock. */
static int open_again(const struct wr_memory *memory)
{
    return openat(memory->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* Calls `fn` for each name until it returns false. 0 or -errno. */
static int each_name(const struct wr_memory *memory, bool (*fn)(const char *name, void *data),
                     void *data)
{
    int fd = open_again(memory);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        const int cause = errno;
        wr_close(fd);
        return -cause;
    }
    for (const struct dirent *e = readdir(dir); e && fn(e->d_name, data); e = readdir(dir))
        ;
    closedir(dir);
    return 0;
}

struct inodes {
    const struct wr_memory *memory;
    ino_t *list;
    size_t count, max;
};

static bool add_inode(const char *name, void *data)
{
    struct inodes *inodes = data;
    struct stat st;

    if (is_content(name) && fstatat(inodes->memory->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        inodes->list[inodes->count++] = st.st_ino;
    return inodes->count < inodes->max;
}

size_t wr_memory_inodes(const struct wr_memory *memory, ino_t *ret, size_t max)
{
    struct inodes inodes = {.memory = memory, .list = ret, .max = max};

    return max > 0 && each_name(memory, add_inode, &inodes) == 0 ? inodes.count : 0;
}

struct search {
    const struct wr_memory *memory;
    const struct stat *wanted;
    char found[WR_HASH_LEN + 1];
};

static bool look(const char *name, void *data)
{
    struct search *search = data;
    struct stat st;

    if (!is_content(name) || fstatat(search->memory->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        st.st_ino != search->wanted->st_ino || st.st_dev != search->wanted->st_dev)
        return true;
    memcpy(search->found, name, sizeof(search->found));
    return false;
}

/* ---- Keeping ---- */

/* An empty file beside it. 0 or -errno. */
static int hold(const struct wr_memory *memory, const char *hash, const char *id)
{
    char name[HOLDER_CAP];

    if (!wr_strformat(name, sizeof(name), "%s-%s", hash, id))
        return -ENAMETOOLONG;
    wr_auto_close int fd =
        openat(memory->dirfd, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    return fd < 0 ? -errno : 0;
}

static int copy(int from, int to, uint64_t size_bytes)
{
    off_t done = 0;

    while ((uint64_t)done < size_bytes) {
        ssize_t n = sendfile(to, from, &done, (size_t)(size_bytes - (uint64_t)done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
    }
    return 0;
}

static int write_new(struct wr_memory *memory, int from, const char *name,
                     const struct wr_memory_file *file)
{
    struct stat st;
    wr_auto_close int fd =
        openat(memory->dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int rc = fd < 0 ? -errno : copy(from, fd, file->size_bytes);

    if (rc == 0 && fchmod(fd, MODE) < 0)
        rc = -errno;
    /* What is in its place, if anything, is damaged. */
    if (rc == 0 && renameat(memory->dirfd, name, memory->dirfd, file->hash) < 0)
        rc = -errno;
    /* Last: each of the others changes the time that goes with the sum. */
    if (rc == 0 && fstat(fd, &st) == 0)
        remember(memory, &st, file->hash);
    if (rc < 0 && fd >= 0)
        (void)unlinkat(memory->dirfd, name, 0);
    return rc;
}

static int open_content(const struct wr_memory *memory, const struct wr_memory_file *file,
                        int *ret_fd, struct stat *ret)
{
    wr_auto_close int fd =
        openat(memory->dirfd, file->hash, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0 || fstat(fd, ret) < 0)
        return -errno;
    if (!S_ISREG(ret->st_mode) || (uint64_t)ret->st_size != file->size_bytes)
        return -EINVAL;
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

/* 0, -EINVAL when it is not what was written, or another -errno. */
static int check_content(struct wr_memory *memory, const struct wr_memory_file *file, int *ret_fd)
{
    char hash[WR_HASH_LEN + 1];
    struct stat st;
    wr_auto_close int fd = -1;
    int rc = open_content(memory, file, &fd, &st);

    if (rc == 0)
        rc = sum_of(memory, fd, &st, hash);
    if (rc == 0 && !wr_streq(hash, file->hash))
        rc = -EINVAL;
    if (rc == 0)
        *ret_fd = wr_steal_fd(&fd);
    return rc;
}

/*
 * Is it there already? The sum says where to look, and finds damage; it is no proof against who
 * chooses the bytes, so they are compared, once. 1, 0, or -errno: -EEXIST is another one's place.
 */
static int is_whole(struct wr_memory *memory, int from, bool is_known,
                    const struct wr_memory_file *file)
{
    char hash[WR_HASH_LEN + 1];
    struct stat st;
    wr_auto_close int found = -1;

    if (open_content(memory, file, &found, &st) < 0)
        return 0;
    const char *known = known_sum(memory, &st);
    if (is_known && known && wr_streq(known, file->hash))
        return 1;
    int rc = have_same_bytes(from, found, file->size_bytes);
    if (rc < 0)
        return 0;
    if (rc == 1)
        remember(memory, &st, file->hash);
    else if (sum_of(memory, found, &st, hash) == 0 && wr_streq(hash, file->hash))
        return -EEXIST;
    return rc;
}

struct total {
    const struct wr_memory *memory;
    uint64_t bytes;
};

static bool add_size(const char *name, void *data)
{
    struct total *total = data;
    struct stat st;

    if (fstatat(total->memory->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
        total->bytes += (uint64_t)st.st_size;
    return true;
}

static int write_unless_whole(struct wr_memory *memory, int from, bool is_known,
                              const struct wr_memory_file *file)
{
    char name[sizeof(NEW) + WR_ID_LEN] = NEW;
    struct total total = {.memory = memory};
    int rc = is_whole(memory, from, is_known, file);

    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = each_name(memory, add_size, &total);
    if (rc == 0 && total.bytes + file->size_bytes > memory->max_bytes)
        rc = -ENOSPC;
    if (rc < 0)
        return rc;
    wr_random_id(name + strlen(NEW), WR_ID_LEN);
    return write_new(memory, from, name, file);
}

/* With the lock: nothing is collected meanwhile, and nobody else writes the same. */
static int keep(struct wr_memory *memory, int fd, const struct stat *st, const char *id,
                struct wr_memory_file *file)
{
    struct search search = {.memory = memory, .wanted = st};
    const bool is_known = known_sum(memory, st) != NULL;
    int rc = each_name(memory, look, &search);

    if (rc == 0 && search.found[0]) {
        memcpy(file->hash, search.found, sizeof(file->hash));
        return hold(memory, file->hash, id);
    }
    if (rc == 0)
        rc = sum_of(memory, fd, st, file->hash);
    if (rc == 0)
        rc = write_unless_whole(memory, fd, is_known, file);
    return rc ? rc : hold(memory, file->hash, id);
}

int wr_memory_keep(struct wr_memory *memory, int fd, const char *id, struct wr_memory_file *ret,
                   struct wr_error *err)
{
    struct wr_memory_file file = *ret;
    struct stat st;

    if (!wr_id_valid(id) || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        (uint64_t)st.st_size > WR_MEMORY_MAX_BYTES || (st.st_mode & 07777) != MODE)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "this is no memory to share");
    file.size_bytes = (uint64_t)st.st_size;
    wr_auto_close int lock = open_again(memory);
    int rc = lock < 0 ? -errno : 0;
    while (rc == 0 && flock(lock, LOCK_EX) < 0)
        if (errno != EINTR)
            rc = -errno;
    if (rc == 0)
        rc = keep(memory, fd, &st, id, &file);
    if (rc < 0)
        return wr_fail(err, wr_code_from_errno(-rc), -rc, "keep memory that sandboxes share");
    *ret = file;
    return 0;
}

int wr_memory_hold(struct wr_memory *memory, const struct wr_memory_files *files, const char *id,
                   struct wr_error *err)
{
    for (size_t i = 0; i < files->count; i++) {
        const char *hash = files->list[i].hash;
        if (faccessat(memory->dirfd, hash, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
            return wr_fail_errno(err, WR_E_DATA_LOSS, "open the memory %s, which sandboxes share",
                                 hash);
        int rc = hold(memory, hash, id);
        if (rc < 0)
            return wr_fail(err, wr_code_from_errno(-rc), -rc, "hold the memory %s", hash);
    }
    return 0;
}

/* ---- Mapping ---- */

static int open_alone(const struct wr_memory *memory, const char *hash, int *ret_fd)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    char path[32];
    wr_auto_close int tree =
        open_tree(memory->dirfd, hash, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

    if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
        return -errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", tree);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *ret_fd = fd;
    return 0;
}

int wr_memory_map(struct wr_memory *memory, const struct wr_memory_file *file, int *ret_fd,
                  struct wr_error *err)
{
    struct stat checked, opened;
    wr_auto_close int fd = -1, alone = -1;
    int rc = check_content(memory, file, &fd);

    if (rc == -EINVAL || rc == -ENOENT || rc == -EIO || rc == -ELOOP)
        return wr_fail(err, WR_E_DATA_LOSS, -rc,
                       "the image is damaged: memory %s is not what was written", file->hash);
    if (rc == 0)
        rc = open_alone(memory, file->hash, &alone);
    if (rc == 0 && (fstat(fd, &checked) < 0 || fstat(alone, &opened) < 0))
        rc = -errno;
    if (rc == 0 && (checked.st_ino != opened.st_ino || checked.st_dev != opened.st_dev))
        rc = -ESTALE;
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "open the memory %s", file->hash);
    *ret_fd = wr_steal_fd(&alone);
    return 0;
}

/* ---- Collecting ---- */

struct collecting {
    const struct wr_memory *memory;
    bool (*in_use)(const char *id, void *data);
    void *data;
    char live[LIVE_MAX][WR_HASH_LEN + 1];
    size_t count;
    bool incomplete;
};

static bool is_live(const struct collecting *c, const char *hash)
{
    for (size_t i = 0; i < c->count; i++)
        if (memcmp(c->live[i], hash, WR_HASH_LEN) == 0)
            return true;
    return c->incomplete;
}

static bool drop_holder(const char *name, void *data)
{
    struct collecting *c = data;

    if (!is_holder(name))
        return true;
    if (!c->in_use(name + WR_HASH_LEN + 1, c->data)) {
        (void)unlinkat(c->memory->dirfd, name, 0);
    } else if (!is_live(c, name)) {
        c->incomplete = c->count == LIVE_MAX;
        if (!c->incomplete)
            memcpy(c->live[c->count++], name, WR_HASH_LEN);
    }
    return true;
}

/* With the lock nobody writes a new one: what is there was left. */
static bool drop_content(const char *name, void *data)
{
    const struct collecting *c = data;

    if ((is_content(name) && !is_live(c, name)) || wr_starts_with(name, NEW))
        (void)unlinkat(c->memory->dirfd, name, 0);
    return true;
}

bool wr_memory_collect(struct wr_memory *memory, bool (*in_use)(const char *id, void *data),
                       void *data)
{
    struct collecting c = {.memory = memory, .in_use = in_use, .data = data};
    wr_auto_close int lock = open_again(memory);

    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return false;
    int rc = each_name(memory, drop_holder, &c);
    if (rc == 0)
        rc = each_name(memory, drop_content, &c);
    if (rc < 0)
        wr_log(WR_LOG_WARN, "cannot look for memory that nobody needs", NULL);
    return true;
}
