#include "template/import_tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/str.h"
#include "template/entry.h"

#define BLOCK_BYTES (256 * 1024)

/* Of address space; the sanitizer's shadow memory alone is far larger. */
#ifdef __SANITIZE_ADDRESS__
#    define MEMORY_MAX RLIM_INFINITY
#else
#    define MEMORY_MAX (2 * WR_GIB)
#endif

static void free_reader(struct archive **a)
{
    (void)archive_read_free(*a);
}
static void free_writer(struct archive **a)
{
    (void)archive_write_free(*a);
}

static void free_entry(struct archive_entry **e)
{
    archive_entry_free(*e);
}

static int keep_capabilities(void)
{
    const unsigned int kept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,
                                 CAP_FSETID, CAP_SETFCAP,      CAP_DAC_READ_SEARCH};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    for (size_t i = 0; i < WR_ARRAY_SIZE(kept); i++) {
        data[kept[i] / 32].effective |= 1U << (kept[i] % 32);
        data[kept[i] / 32].permitted |= 1U << (kept[i] % 32);
    }
    return (int)syscall(SYS_capset, &header, data);
}

/* The archive's bytes are parsed by libarchive and its filters: after this they can reach the new
 * layer only. */
static int confine(int root_fd, struct wr_error *err)
{
    struct rlimit no_core = {0, 0};
    struct rlimit memory = {MEMORY_MAX, MEMORY_MAX};
    if (unshare(CLONE_NEWNET | CLONE_NEWIPC) < 0 || fchdir(root_fd) < 0 || chroot(".") < 0 ||
        chdir("/") < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot confine the worker that unpacks archives");
    if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || keep_capabilities() < 0)
        return wr_fail_errno(err, WR_E_INTERNAL,
                             "cannot take rights from the worker that unpacks archives");
    if (setrlimit(RLIMIT_AS, &memory) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "cannot limit the worker that unpacks archives");
    umask(0);
    return 0;
}

static int archive_failed(struct archive *a, const char *what, const char *path,
                          struct wr_error *err)
{
    const char *why = archive_error_string(a);
    int os_errno = archive_errno(a);
    enum wr_code code =
        os_errno == ENOSPC || os_errno == EDQUOT ? WR_E_RESOURCE_EXHAUSTED : WR_E_INVALID_ARGUMENT;
    return wr_fail(err, code, 0, "%s \"%.100s\": %.100s", what, path, why ? why : "unknown reason");
}

static int filter_xattrs(struct archive_entry *e, struct wr_error *err)
{
    if (archive_entry_xattr_count(e) == 0)
        return 0;
    /* The list of an entry can only be cleared: the copy keeps what is put back. */
    WR_CLEANUP(free_entry) struct archive_entry *all = archive_entry_clone(e);
    if (!all)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory to unpack an archive");
    const char *name = NULL;
    const void *value = NULL;
    size_t size = 0;
    archive_entry_xattr_clear(e);
    (void)archive_entry_xattr_reset(all);
    while (archive_entry_xattr_next(all, &name, &value, &size) == ARCHIVE_OK)
        if (name && wr_entry_xattr_allowed(name) && size <= WR_IMPORT_MAX_XATTR)
            archive_entry_xattr_add_entry(e, name, value, size);
    return 0;
}

static int copy_data(struct archive *in, struct archive *out, struct wr_worker *w, const char *path,
                     struct wr_error *err)
{
    for (;;) {
        const void *block = NULL;
        size_t len = 0;
        la_int64_t offset = 0;
        int rc = archive_read_data_block(in, &block, &len, &offset);
        if (rc == ARCHIVE_EOF)
            return 0;
        if (rc < ARCHIVE_WARN)
            return archive_failed(in, "cannot read entry", path, err);
        w->bytes += len;
        if (w->bytes > WR_IMPORT_MAX_BYTES || offset < 0 || (uint64_t)offset > WR_IMPORT_MAX_BYTES)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                           "the archive unpacks to more than %llu GiB",
                           (unsigned long long)(WR_IMPORT_MAX_BYTES / WR_GIB));
        if (archive_write_data_block(out, block, len, offset) < ARCHIVE_OK)
            return archive_failed(out, "cannot write entry", path, err);
    }
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *e,
                        struct wr_worker *w, struct wr_error *err)
{
    const char *path = archive_entry_pathname(e);
    if (!path)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "an entry of the archive has no readable name");
    const char *target = archive_entry_hardlink(e);
    mode_t type = target ? S_IFREG : archive_entry_filetype(e);
    enum wr_entry_verdict verdict = WR_ENTRY_TAKE, target_verdict = WR_ENTRY_TAKE;
    int rc = wr_entry_judge(path, type, &verdict, err);
    if (rc == 0 && target)
        rc = wr_entry_judge(target, S_IFREG, &target_verdict, err);
    if (rc < 0)
        return rc;
    if (verdict == WR_ENTRY_SKIP || target_verdict == WR_ENTRY_SKIP)
        return 0;
    rc = filter_xattrs(e, err);
    if (rc < 0)
        return rc;
    if (archive_write_header(out, e) < ARCHIVE_OK)
        return archive_failed(out, "refused entry", path, err);
    if (archive_entry_size(e) > 0)
        rc = copy_data(in, out, w, path, err);
    if (rc == 0 && archive_write_finish_entry(out) < ARCHIVE_OK)
        return archive_failed(out, "cannot finish entry", path, err);
    return rc;
}

static int unpack(struct archive *in, struct archive *out, struct wr_worker *w,
                  struct wr_error *err)
{
    for (uint64_t i = 0; i < WR_IMPORT_MAX_ENTRIES; i++) {
        struct archive_entry *e = NULL;
        int rc = archive_read_next_header(in, &e);
        if (rc == ARCHIVE_EOF && i > 0)
            return 0;
        if (rc == ARCHIVE_EOF)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the archive is empty");
        if (rc < ARCHIVE_WARN)
            return archive_failed(in, "cannot read the archive", "", err);
        rc = unpack_entry(in, out, e, w, err);
        if (rc < 0)
            return rc;
        wr_worker_count(w, 0);
    }
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the archive holds more than %d entries",
                   WR_IMPORT_MAX_ENTRIES);
}

static struct archive *make_reader(void)
{
    struct archive *in = archive_read_new();
    if (!in)
        return NULL;
    int rc = archive_read_support_format_tar(in);
    if (rc == ARCHIVE_OK)
        rc = archive_read_support_filter_gzip(in);
    if (rc == ARCHIVE_OK)
        rc = archive_read_support_filter_xz(in);
    if (rc == ARCHIVE_OK)
        rc = archive_read_support_filter_zstd(in);
    if (rc == ARCHIVE_OK)
        return in;
    (void)archive_read_free(in);
    return NULL;
}

static struct archive *make_writer(void)
{
    struct archive *out = archive_write_disk_new();
    if (!out)
        return NULL;
    /* ".." and absolute paths were refused by name; the flags are the second line of defence. */
    int flags = ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
                ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_NODOTDOT |
                ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS;
    if (archive_write_disk_set_options(out, flags) == ARCHIVE_OK)
        return out;
    (void)archive_write_free(out);
    return NULL;
}

int wr_import_tar(struct wr_worker *w, int archive_fd, int root_fd, struct wr_error *err)
{
    int rc = confine(root_fd, err);
    if (rc < 0)
        return rc;
    WR_CLEANUP(free_reader) struct archive *in = make_reader();
    WR_CLEANUP(free_writer) struct archive *out = make_writer();
    if (!in || !out)
        return wr_fail(err, WR_E_INTERNAL, 0, "libarchive lacks tar, gzip, xz or zstd");
    if (archive_read_open_fd(in, archive_fd, BLOCK_BYTES) != ARCHIVE_OK)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "it is no tar archive (plain, gzip, xz or zstd)");
    rc = unpack(in, out, w, err);
    /* Directories get their final modes and times here. */
    if (rc == 0 && archive_write_close(out) != ARCHIVE_OK)
        return archive_failed(out, "cannot finish", "the tree", err);
    return rc;
}
