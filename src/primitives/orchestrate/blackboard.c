#include "primitives/orchestrate/blackboard.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "primitives/orchestrate/board_names.h"
#include "sys/syscall.h"

#define BENEATH   (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
#define DIR_MODE  0755
#define FILE_MODE 0644

struct wr_blackboard {
    int fd;
    char *temporary; /* its path when it is to be removed; NULL */
    uint64_t max_bytes;
    pthread_mutex_t lock; /* of what follows, and of writing */
    uint64_t bytes;
    size_t count;
};

/* A walk through the directory. */
struct walk {
    struct wr_blackboard *board;
    struct wr_board_files *files; /* NULL: only counted */
    uint64_t bytes;
    size_t count;
};

/* The directory is the caller's, and names in it are any bytes but "/" and NUL; those of the board
 * itself, and half-written files, begin with its prefix or that of wr_file_replace(). */
static bool is_own_name(const char *name)
{
    return wr_streq(name, WR_BOARD_MARK) ||
           (wr_starts_with(name, ".wr-") && wr_ends_with(name, ".tmp"));
}

bool wr_board_path_valid(const char *path)
{
    size_t len = strnlen(path, WR_BOARD_MAX_PATH);
    unsigned depth = 0;

    if (len == 0 || len == WR_BOARD_MAX_PATH || !wr_utf8_valid(path, len))
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)path[i] < 0x20 || path[i] == 0x7f)
            return false;
    for (const char *part = path; part; depth++) {
        const char *slash = strchr(part, '/');
        size_t part_len = slash ? (size_t)(slash - part) : strlen(part);
        char name[NAME_MAX + 1];
        if (part_len == 0 || part_len > NAME_MAX)
            return false;
        memcpy(name, part, part_len);
        name[part_len] = '\0';
        if (wr_streq(name, ".") || wr_streq(name, "..") || is_own_name(name))
            return false;
        part = slash ? slash + 1 : NULL;
    }
    return depth <= WR_BOARD_MAX_DEPTH;
}

void wr_board_files_done(struct wr_board_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->items[i].path);
        free(files->items[i].bytes);
    }
    free(files->items);
    *files = (struct wr_board_files){0};
}

static int fail_full(const struct wr_blackboard *board, struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                   "the blackboard has at most %d files and %llu bytes (max_blackboard_bytes)",
                   WR_BOARD_MAX_FILES, (unsigned long long)board->max_bytes);
}

/* ---- reading ---- */

static int take_file(struct walk *walk, int fd, const char *path, size_t size, struct wr_error *err)
{
    struct wr_board_file *file = &walk->files->items[walk->files->count];

    file->path = wr_strdup(path);
    file->bytes = malloc(size + 1);
    if (!file->path || !file->bytes) {
        free(file->path);
        free(file->bytes);
        *file = (struct wr_board_file){0};
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    }
    walk->files->count++;
    ssize_t got = wr_read_full(fd, file->bytes, size);
    if (got < 0)
        return wr_fail(err, WR_E_INTERNAL, (int)-got, "blackboard: %.100s", path);
    file->len = (size_t)got;
    wr_sha256_hex(file->bytes, file->len, file->hash);
    return 0;
}

static int visit_file(struct walk *walk, int dir_fd, const char *name, const char *path,
                      struct wr_error *err)
{
    wr_auto_close int fd =
        wr_openat2(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC, 0, BENEATH);
    struct stat st;

    /* Gone meanwhile, or not for us: what cannot be read is not on the board. */
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    if (walk->count >= WR_BOARD_MAX_FILES ||
        (uint64_t)st.st_size > walk->board->max_bytes - walk->bytes)
        return fail_full(walk->board, err);
    walk->count++;
    walk->bytes += (uint64_t)st.st_size;
    return walk->files ? take_file(walk, fd, path, (size_t)st.st_size, err) : 0;
}

static int visit_dir(struct walk *walk, int fd, const char *prefix, unsigned depth,
                     struct wr_error *err);

static int visit(struct walk *walk, int dir_fd, const char *name, const char *prefix,
                 unsigned depth, struct wr_error *err)
{
    char path[WR_BOARD_MAX_PATH];
    struct stat st;

    if (wr_streq(name, ".") || wr_streq(name, "..") ||
        !wr_strformat(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", name) ||
        !wr_board_path_valid(path) || fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (!S_ISDIR(st.st_mode))
        return S_ISREG(st.st_mode) ? visit_file(walk, dir_fd, name, path, err) : 0;
    if (depth + 1 >= WR_BOARD_MAX_DEPTH)
        return 0;
    int fd = wr_openat2(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, BENEATH);
    return fd < 0 ? 0 : visit_dir(walk, fd, path, depth + 1, err);
}

/* Consumes `fd`. */
static int visit_dir(struct walk *walk, int fd, const char *prefix, unsigned depth,
                     struct wr_error *err)
{
    DIR *dir = fdopendir(fd);
    int r = 0;

    if (!dir) {
        wr_close(fd);
        return wr_fail_errno(err, WR_E_INTERNAL, "blackboard");
    }
    for (struct dirent *entry; r == 0 && (entry = readdir(dir));)
        r = visit(walk, dirfd(dir), entry->d_name, prefix, depth, err);
    (void)closedir(dir);
    return r;
}

static int walk_all(struct walk *walk, struct wr_error *err)
{
    int fd = openat(walk->board->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? wr_fail_errno(err, WR_E_INTERNAL, "blackboard")
                  : visit_dir(walk, fd, "", 0, err);
}

int wr_blackboard_read(struct wr_blackboard *board, struct wr_board_files *ret,
                       struct wr_error *err)
{
    wr_auto_board_files files = {0};
    struct walk walk = {.board = board, .files = &files};

    files.items = wr_calloc(WR_BOARD_MAX_FILES, sizeof *files.items);
    if (!files.items)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
    int r = walk_all(&walk, err);
    if (r < 0)
        return r;
    *ret = files;
    files = (struct wr_board_files){0};
    return 0;
}

/* ---- writing ---- */

/* One step down; the directory is made if it is not there. A descriptor, or a negative errno. */
static int step_down(int at, const char *part, size_t len)
{
    char name[NAME_MAX + 1];

    if (!wr_strformat(name, sizeof name, "%.*s", (int)len, part))
        return -ENAMETOOLONG;
    if (mkdirat(at, name, DIR_MODE) < 0 && errno != EEXIST)
        return -errno;
    return wr_openat2(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0, BENEATH);
}

/* The directory of a path, made if it is not there; *ret_name is the last part. -1 after a
 * failure. */
static int open_parent(const struct wr_blackboard *board, const char *path, const char **ret_name,
                       struct wr_error *err)
{
    wr_auto_close int at = openat(board->fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *part = path;

    if (at < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "blackboard");
    for (const char *slash; (slash = strchr(part, '/')); part = slash + 1) {
        int next = step_down(at, part, (size_t)(slash - part));
        if (next < 0) {
            (void)wr_fail(err, WR_E_FAILED_PRECONDITION, -next,
                          "blackboard: a part of %.100s is no directory", path);
            return -1;
        }
        wr_close(at);
        at = next;
    }
    *ret_name = part;
    return wr_steal_fd(&at);
}

static int write_locked(struct wr_blackboard *board, int parent, const char *name,
                        const void *bytes, size_t len, struct wr_error *err)
{
    struct stat st;
    bool there = fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
    uint64_t before = there && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;

    if (there && !S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "blackboard: %.100s is there already, and no regular file", name);
    uint64_t others = board->bytes > before ? board->bytes - before : 0;
    if ((!there && board->count >= WR_BOARD_MAX_FILES) || others > board->max_bytes ||
        len > board->max_bytes - others)
        return fail_full(board, err);
    int r = wr_file_replace(parent, name, bytes, len, FILE_MODE, WR_VOLATILE);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "blackboard: %.100s", name);
    board->bytes = others + len;
    board->count += !there;
    return 0;
}

int wr_blackboard_write(struct wr_blackboard *board, const char *path, const void *bytes,
                        size_t len, struct wr_error *err)
{
    const char *name = NULL;

    if (!wr_board_path_valid(path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "blackboard: %.100s cannot be the name of a file on it", path);
    (void)pthread_mutex_lock(&board->lock);
    int parent = open_parent(board, path, &name, err);
    int r = parent < 0 ? -err->code : write_locked(board, parent, name, bytes, len, err);
    (void)pthread_mutex_unlock(&board->lock);
    wr_close(parent);
    return r;
}

/* ---- the directory ---- */

uint64_t wr_blackboard_max_bytes(const struct wr_blackboard *board)
{
    return board->max_bytes;
}

struct wr_blackboard *wr_blackboard_free(struct wr_blackboard *board)
{
    if (!board)
        return NULL;
    wr_close(board->fd);
    if (board->temporary)
        (void)!wr_remove_tree(AT_FDCWD, board->temporary); /* it is in the system's directory for
                                                              such things */
    (void)pthread_mutex_destroy(&board->lock);
    free(board->temporary);
    free(board);
    return NULL;
}

static void free_half(struct wr_blackboard **board)
{
    *board = wr_blackboard_free(*board);
}

static int open_dir(struct wr_blackboard *board, const char *dir, struct wr_error *err)
{
    const char *base = getenv("TMPDIR");

    if (!dir) {
        board->temporary = wr_asprintf("%s/warren-board-XXXXXX", base && *base ? base : "/tmp");
        if (!board->temporary || !mkdtemp(board->temporary))
            return wr_fail_errno(err, WR_E_INTERNAL, "blackboard: temporary directory");
        dir = board->temporary;
    } else if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
        return wr_fail_errno(err, wr_code_from_errno(errno), "blackboard: %.150s", dir);
    }
    board->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return board->fd >= 0
               ? 0
               : wr_fail_errno(err, wr_code_from_errno(errno), "blackboard: %.150s", dir);
}

struct wr_blackboard *wr_blackboard_open(const char *dir, uint64_t max_bytes, struct wr_error *err)
{
    WR_CLEANUP(free_half) struct wr_blackboard *board = wr_calloc(1, sizeof *board);

    if (!board) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "blackboard");
        return NULL;
    }
    board->fd = -1;
    board->max_bytes = max_bytes;
    (void)pthread_mutex_init(&board->lock, NULL);
    struct walk walk = {.board = board};
    if (open_dir(board, dir, err) < 0 || walk_all(&walk, err) < 0)
        return NULL;
    board->bytes = walk.bytes;
    board->count = walk.count;
    return wr_steal_ptr(&board);
}
