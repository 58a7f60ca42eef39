#include "primitives/testing/project_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define CHUNK ((size_t)65536)

/* In the directory for temporary files, and without a name. */
static int open_nameless(struct wr_error *err)
{
    const char *directory = getenv("TMPDIR");
    char path[PATH_MAX];

    if (!directory || !*directory)
        directory = "/tmp";
    if (!wr_strformat(path, sizeof path, "%s/warren-project-XXXXXX", directory))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "TMPDIR is too long");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "temporary file in %.120s", directory);
    (void)unlink(path);
    return fd;
}

static int failure(struct archive *archive, const char *what, struct wr_error *err)
{
    const char *why = archive ? archive_error_string(archive) : NULL;

    return wr_fail(err, archive ? WR_E_INTERNAL : WR_E_RESOURCE_EXHAUSTED, 0, "%s: %.120s", what,
                   why ? why : "out of memory");
}

static int too_large(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                   "project: larger than %llu GiB or %d files; give an archive of what is needed",
                   (unsigned long long)(WR_PROJECT_MAX_BYTES / WR_GIB), WR_PROJECT_MAX_ENTRIES);
}

/* ---- a directory ---- */

struct pack {
    struct archive *archive;
    struct archive_entry *entry;
    json_t *left_out;
    size_t root_len;
    uint64_t bytes;
    size_t entries;
};

static bool is_made_again(const char *name)
{
    static const char *const names[] = {
        ".git",         ".hg",           ".svn",        "__pycache__", ".venv",
        "node_modules", ".mypy_cache",   ".ruff_cache", ".tox",        ".nox",
        ".cache",       ".pytest_cache", ".hypothesis",
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_streq(names[i], name))
            return true;
    return false;
}

static const char *relative_of(const struct pack *pack, const FTSENT *node)
{
    const char *relative = node->fts_path + pack->root_len;

    while (*relative == '/')
        relative++;
    return relative;
}

/* Whether a link stays below the root, by its words: `relative` is its own path. */
static bool stays_inside(const char *relative, const char *target)
{
    int depth = 0;

    if (*target == '/')
        return false;
    for (const char *at = strchr(relative, '/'); at; at = strchr(at + 1, '/'))
        depth++;
    for (const char *part = target; *part;) {
        size_t len = strcspn(part, "/");
        if (len == 2 && memcmp(part, "..", 2) == 0)
            depth--;
        else if (len > 0 && !(len == 1 && *part == '.'))
            depth++;
        if (depth < 0)
            return false;
        part += len + (part[len] == '/');
    }
    return true;
}

static void leave_out(struct pack *pack, const char *relative)
{
    /* Names that are no UTF-8 cannot be told. */
    if (json_array_size(pack->left_out) < WR_PROJECT_MAX_NAMED)
        (void)json_array_append_new(pack->left_out, json_string(relative));
}

/* Exactly the announced size: a file that changes meanwhile must not shift what follows. */
static int pack_content(struct pack *pack, int fd, int64_t size, struct wr_error *err)
{
    char chunk[8192];

    for (int64_t left = size; left > 0;) {
        ssize_t n = wr_read_full(fd, chunk, (size_t)WR_MIN(left, (int64_t)sizeof chunk));
        if (n < 0)
            return wr_fail(err, WR_E_DATA_LOSS, (int)-n, "read");
        if (n == 0)
            return wr_fail(err, WR_E_ABORTED, 0, "the file became shorter while it was read");
        if (archive_write_data(pack->archive, chunk, (size_t)n) != n)
            return failure(pack->archive, "project", err);
        left -= n;
    }
    return 0;
}

static int pack_header(struct pack *pack, const struct stat *st, const char *relative,
                       struct wr_error *err)
{
    if (++pack->entries > WR_PROJECT_MAX_ENTRIES ||
        (pack->bytes += (uint64_t)st->st_size) > WR_PROJECT_MAX_BYTES)
        return too_large(err);
    archive_entry_copy_stat(pack->entry, st);
    archive_entry_set_pathname(pack->entry, relative);
    archive_entry_set_uid(pack->entry, 0);
    archive_entry_set_gid(pack->entry, 0);
    return archive_write_header(pack->archive, pack->entry) == ARCHIVE_OK
               ? 0
               : failure(pack->archive, "project", err);
}

static int pack_file(struct pack *pack, const FTSENT *node, struct wr_error *err)
{
    wr_auto_close int fd = open(node->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open");
    if (!S_ISREG(st.st_mode))
        return wr_fail(err, WR_E_ABORTED, 0, "it changed while it was read");
    int r = pack_header(pack, &st, relative_of(pack, node), err);
    return r < 0 ? r : pack_content(pack, fd, st.st_size, err);
}

static int pack_link(struct pack *pack, const FTSENT *node, struct wr_error *err)
{
    const char *relative = relative_of(pack, node);
    struct stat st = *node->fts_statp;
    char target[PATH_MAX];
    ssize_t n = readlink(node->fts_accpath, target, sizeof target - 1);

    if (n < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "read link");
    target[n] = '\0';
    if (!stays_inside(relative, target)) {
        leave_out(pack, relative);
        return 0;
    }
    st.st_size = 0;
    archive_entry_set_symlink(pack->entry, target);
    return pack_header(pack, &st, relative, err);
}

static int pack_node(struct pack *pack, FTS *fts, FTSENT *node, struct wr_error *err)
{
    archive_entry_clear(pack->entry);
    switch (node->fts_info) {
    case FTS_D:
        if (node->fts_level == FTS_ROOTLEVEL)
            return 0;
        if (is_made_again(node->fts_name)) {
            (void)fts_set(fts, node, FTS_SKIP);
            return 0;
        }
        return pack_header(pack, node->fts_statp, relative_of(pack, node), err);
    case FTS_F:
        return pack_file(pack, node, err);
    case FTS_SL:
    case FTS_SLNONE:
        return is_made_again(node->fts_name) ? 0 : pack_link(pack, node, err);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return wr_fail(err, wr_code_from_errno(node->fts_errno), node->fts_errno, "read");
    case FTS_DEFAULT:
        leave_out(pack, relative_of(pack, node));
        return 0;
    default:
        return 0;
    }
}

static int pack_tree(struct pack *pack, const char *path, struct wr_error *err)
{
    char *roots[] = {(char *)(uintptr_t)path, NULL};
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    FTSENT *node = NULL;
    int r = 0;

    if (!fts)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "read %.150s", path);
    while (r == 0 && (node = fts_read(fts))) {
        r = pack_node(pack, fts, node, err);
        if (r < 0)
            r = wr_wrap(err, "project: %.120s", node->fts_path);
    }
    fts_close(fts);
    return r;
}

static int pack_directory(const char *path, struct wr_project_archive *ret, struct wr_error *err)
{
    struct pack pack = {.archive = archive_write_new(),
                        .entry = archive_entry_new(),
                        .left_out = ret->left_out,
                        .root_len = strlen(path)};
    wr_auto_close int fd = open_nameless(err);
    int r = fd < 0 ? fd : 0;

    if (r == 0 && (!pack.archive || !pack.entry ||
                   archive_write_set_format_pax_restricted(pack.archive) != ARCHIVE_OK ||
                   archive_write_open_fd(pack.archive, fd) != ARCHIVE_OK))
        r = failure(pack.archive, "project", err);
    if (r == 0)
        r = pack_tree(&pack, path, err);
    if (r == 0 && archive_write_close(pack.archive) != ARCHIVE_OK)
        r = failure(pack.archive, "project", err);
    archive_entry_free(pack.entry);
    archive_write_free(pack.archive);
    if (r == 0)
        ret->fd = wr_steal_fd(&fd);
    return r;
}

/* ---- an archive ---- */

/* Sandboxes need not have a program for zstd. */
static int decompress(int from, int to, struct wr_error *err)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry = NULL;
    char chunk[8192];
    uint64_t bytes = 0;
    int r = 0;

    if (!archive || archive_read_support_filter_zstd(archive) != ARCHIVE_OK ||
        archive_read_support_format_raw(archive) != ARCHIVE_OK ||
        archive_read_open_fd(archive, from, CHUNK) != ARCHIVE_OK ||
        archive_read_next_header(archive, &entry) != ARCHIVE_OK)
        r = failure(archive, "project", err);
    while (r == 0) {
        la_ssize_t n = archive_read_data(archive, chunk, sizeof chunk);
        if (n == 0)
            break;
        if (n < 0)
            r = failure(archive, "project", err);
        else if ((bytes += (uint64_t)n) > WR_PROJECT_MAX_BYTES)
            r = too_large(err);
        else if ((r = wr_write_all(to, chunk, (size_t)n)) < 0)
            r = wr_fail(err, wr_code_from_errno(-r), -r, "temporary file");
    }
    archive_read_free(archive);
    return r;
}

static int take_archive(int from, const char *path, struct wr_project_archive *ret,
                        struct wr_error *err)
{
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    unsigned char head[512] = {0};
    ssize_t n = pread(from, head, sizeof head, 0);

    if (n < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "project: read %.150s", path);
    if (memcmp(head, zstd, sizeof zstd) == 0) {
        wr_auto_close int fd = open_nameless(err);
        if (fd < 0)
            return -err->code;
        int r = decompress(from, fd, err);
        if (r == 0)
            ret->fd = wr_steal_fd(&fd);
        return r;
    }
    if (memcmp(head, gzip, sizeof gzip) != 0 && memcmp(head + 257, "ustar", 5) != 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "project: %.150s is neither a directory nor a tar archive (plain, gzip, "
                       "zstd)",
                       path);
    ret->fd = fcntl(from, F_DUPFD_CLOEXEC, 3);
    return ret->fd < 0 ? wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "project") : 0;
}

int wr_project_archive_open(const char *path, struct wr_project_archive *ret, struct wr_error *err)
{
    struct wr_project_archive made = {.fd = -1, .left_out = json_array()};
    wr_auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    int r = 0;

    if (fd < 0 || fstat(fd, &st) < 0)
        r = wr_fail_errno(err, wr_code_from_errno(errno), "project: %.150s", path);
    else if (!made.left_out)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "project");
    else if (S_ISDIR(st.st_mode))
        r = pack_directory(path, &made, err);
    else if (S_ISREG(st.st_mode))
        r = take_archive(fd, path, &made, err);
    else
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "project: %.150s is no directory and no file",
                    path);
    if (r == 0 && lseek(made.fd, 0, SEEK_SET) < 0)
        r = wr_fail_errno(err, WR_E_INTERNAL, "project");
    if (r < 0) {
        wr_project_archive_close(&made);
        return r;
    }
    *ret = made;
    return 0;
}

void wr_project_archive_close(struct wr_project_archive *archive)
{
    wr_close(archive->fd);
    json_decref(archive->left_out);
    *archive = (struct wr_project_archive){.fd = -1};
}
