#include "cli/tar_pack.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

struct pack {
    struct archive *archive;
    wr_tar_write_fn write;
    void *data;
    struct wr_error error; /* of the sink */
};

static la_ssize_t on_write(struct archive *archive, void *data, const void *bytes, size_t len)
{
    struct pack *pack = data;

    if (pack->write(pack->data, bytes, len, &pack->error) == 0)
        return (la_ssize_t)len;
    archive_set_error(archive, EIO, "write");
    return ARCHIVE_FATAL;
}

static int archive_failure(struct pack *pack, struct wr_error *err)
{
    if (pack->error.code != WR_OK) {
        *err = pack->error;
        return -err->code;
    }
    const char *why = archive_error_string(pack->archive);
    return wr_fail(err, WR_E_INTERNAL, 0, "tar: %.120s", why ? why : "unknown error");
}

/* Exactly the announced size: a file that changes meanwhile must not shift what follows. */
static int pack_content(struct pack *pack, int fd, int64_t size, struct wr_error *err)
{
    char chunk[8192];

    for (int64_t left = size; left > 0;) {
        size_t want = (size_t)WR_MIN(left, (int64_t)sizeof chunk);
        ssize_t n = wr_read_full(fd, chunk, want);
        if (n < 0)
            return wr_fail(err, WR_E_DATA_LOSS, (int)-n, "read");
        if (n == 0)
            return wr_fail(err, WR_E_ABORTED, 0, "the file became shorter while it was copied");
        if (archive_write_data(pack->archive, chunk, (size_t)n) != n)
            return archive_failure(pack, err);
        left -= n;
    }
    return 0;
}

static int add_link_target(struct archive_entry *entry, const FTSENT *node, struct wr_error *err)
{
    char target[PATH_MAX];
    ssize_t n = readlink(node->fts_accpath, target, sizeof target - 1);

    if (n < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "read link %.150s", node->fts_path);
    target[n] = '\0';
    archive_entry_set_symlink(entry, target);
    archive_entry_set_size(entry, 0);
    return 0;
}

static int pack_node(struct pack *pack, struct archive_entry *entry, const FTSENT *node,
                     size_t root_len, struct wr_error *err)
{
    const char *relative = node->fts_path + root_len;
    wr_auto_close int fd = -1;
    struct stat st = *node->fts_statp;

    while (*relative == '/')
        relative++;
    if (!*relative)
        return 0;
    if (S_ISREG(st.st_mode)) {
        fd = open(node->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
            return wr_fail_errno(err, wr_code_from_errno(errno), "open %.150s", node->fts_path);
    }
    archive_entry_clear(entry);
    archive_entry_copy_stat(entry, &st);
    archive_entry_set_pathname(entry, relative);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    int r = S_ISLNK(st.st_mode) ? add_link_target(entry, node, err) : 0;
    if (r < 0)
        return r;
    if (archive_write_header(pack->archive, entry) != ARCHIVE_OK)
        return archive_failure(pack, err);
    r = S_ISREG(st.st_mode) ? pack_content(pack, fd, st.st_size, err) : 0;
    return r < 0 ? wr_wrap(err, "%.150s", node->fts_path) : 0;
}

static int pack_tree(struct pack *pack, const char *directory, struct wr_error *err)
{
    char *roots[] = {(char *)(uintptr_t)directory, NULL};
    struct archive_entry *entry = archive_entry_new();
    FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    FTSENT *node;
    int r = 0;

    if (!fts || !entry)
        r = wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "read %.150s", directory);
    while (r == 0 && (node = fts_read(fts))) {
        if (node->fts_info == FTS_D || node->fts_info == FTS_F || node->fts_info == FTS_SL ||
            node->fts_info == FTS_SLNONE)
            r = pack_node(pack, entry, node, strlen(directory), err);
        else if (node->fts_info == FTS_DNR || node->fts_info == FTS_ERR || node->fts_info == FTS_NS)
            r = wr_fail(err, wr_code_from_errno(node->fts_errno), node->fts_errno, "read %.150s",
                        node->fts_path);
    }
    if (fts)
        fts_close(fts);
    archive_entry_free(entry);
    return r;
}

int wr_tar_pack(const char *directory, wr_tar_write_fn write, void *data, struct wr_error *err)
{
    struct pack pack = {.archive = archive_write_new(), .write = write, .data = data};

    if (!pack.archive)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "tar writer");
    int r = 0;
    if (archive_write_set_format_pax_restricted(pack.archive) != ARCHIVE_OK ||
        archive_write_open(pack.archive, &pack, NULL, on_write, NULL) != ARCHIVE_OK)
        r = archive_failure(&pack, err);
    if (r == 0)
        r = pack_tree(&pack, directory, err);
    if (r == 0 && archive_write_close(pack.archive) != ARCHIVE_OK)
        r = archive_failure(&pack, err);
    archive_write_free(pack.archive);
    return r;
}
