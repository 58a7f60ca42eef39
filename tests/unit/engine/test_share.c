/* Shares in a real data volume. Needs root and mkfs, and fails without: a skipped test proves
 * nothing. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/action.h"
#include "engine/storage/share.h"
#include "engine/storage/volume.h"
#include "test.h"

#define A    "11111111-2222-4333-8444-555555555555"
#define B    "21111111-2222-4333-8444-555555555555"
#define SIZE (16 * WR_MIB)

static char top[64];
static int top_fd = -1;
static struct wr_error err;
static struct wr_volume *volume;
static struct wr_shares *shares;

static void open_all(void)
{
    const struct wr_volume_opts opts = {
        .data_dirfd = top_fd, .data_dir = top, .size_bytes = 512 * WR_MIB};
    if (wr_volume_open(&opts, &volume, &err) < 0 || wr_shares_open(volume, &shares, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void close_all(void)
{
    wr_shares_drain(shares);
    shares = wr_shares_free(shares);
    volume = wr_volume_free(volume);
}

/* CHECK ends a failed test by _exit(), so the cleaning is done by a parent that waits for it. */
static void with_shares(void (*test)(void))
{
    int status = -1;
    CHECK_INT(geteuid(), 0);
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(top, sizeof(top), "/tmp/test_share.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        open_all();
        test();
        close_all();
        fflush(stdout);
        _exit(0);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    int unmounted = wr_volume_unmount(top, &err);
    if (unmounted == 0)
        CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
    CHECK_INT(status, 0);
    CHECK_INT(unmounted, 0);
}

static void make(const char *id)
{
    if (wr_share_make(shares, id, SIZE, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

struct listed {
    size_t count;
    struct wr_share share[4];
};

static void on_share(const struct wr_share *share, void *data)
{
    struct listed *l = data;
    CHECK(l->count < WR_ARRAY_SIZE(l->share));
    l->share[l->count++] = *share;
}

static struct listed list(const char *after, size_t max, bool *ret_more)
{
    struct listed l = {0};
    CHECK_INT(wr_share_list(shares, after, max, on_share, &l, ret_more, &err), 0);
    return l;
}

static size_t count_entries(const char *path)
{
    int fd = openat(top_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    size_t count = 0;
    CHECK(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        count += !wr_streq(e->d_name, ".") && !wr_streq(e->d_name, "..");
    closedir(dir);
    return count;
}

static void check_life(void)
{
    struct stat st;
    bool more = true;
    int fd = -1;
    CHECK_INT(wr_share_open(shares, A, &fd, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_share_remove(shares, A, &err), -WR_E_NOT_FOUND);
    make(B);
    make(A);
    make(A); /* idempotent */
    CHECK_INT(wr_share_make(shares, A, SIZE * 2, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_share_open(shares, A, &fd, &err), 0);
    CHECK(fstat(fd, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0777);
    CHECK_INT(st.st_uid, 1000);
    close(fd);
    struct listed l = list("", 4, &more);
    CHECK_INT(l.count, 2);
    CHECK_STR(l.share[0].id, A);
    CHECK_STR(l.share[1].id, B);
    CHECK_INT(l.share[0].size_bytes, SIZE);
    CHECK(!more && l.share[0].used_bytes < WR_MIB);
    l = list("", 1, &more);
    CHECK(more && l.count == 1);
    CHECK_STR(l.share[0].id, A);
    l = list(A, 1, &more);
    CHECK(!more && l.count == 1);
    CHECK_STR(l.share[0].id, B);
    CHECK_INT(wr_share_remove(shares, A, &err), 0);
    CHECK_INT(wr_share_remove(shares, A, &err), -WR_E_NOT_FOUND);
    CHECK_INT(list("", 4, &more).count, 1);
    /* What was removed is really gone, also where another process does it. */
    wr_shares_drain(shares);
    CHECK_INT(count_entries("volume/volumes"), 1);
}
TEST(shares_are_made_listed_and_removed)
{
    with_shares(check_life);
}

static void check_refused(void)
{
    int fd = -1;
    CHECK_INT(wr_share_make(shares, "x", SIZE, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_share_make(shares, "../" A, SIZE, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_share_make(shares, A "/", SIZE, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_share_make(shares, A, WR_ACTION_VOLUME_BYTES_MIN - 1, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_share_make(shares, A, WR_ACTION_VOLUME_BYTES_MAX + 1, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_share_open(shares, "..", &fd, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_share_remove(shares, "", &err), -WR_E_INVALID_ARGUMENT);
}
TEST(what_is_no_id_or_size_is_refused)
{
    with_shares(check_refused);
}

/* Writes until it fails; what fitted. */
static uint64_t fill(const char *id)
{
    static char block[65536];
    uint64_t written = 0;
    int dir = -1;
    memset(block, 0x5a, sizeof(block));
    CHECK_INT(wr_share_open(shares, id, &dir, &err), 0);
    int fd = openat(dir, "file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    CHECK(fd >= 0);
    while (written < 4 * SIZE && write(fd, block, sizeof(block)) > 0)
        written += sizeof(block);
    (void)!fsync(fd);
    close(fd);
    close(dir);
    return written;
}

static void check_limit(void)
{
    bool more = false;
    make(A);
    make(B);
    uint64_t written = fill(A);
    CHECK(written > SIZE - WR_MIB && written <= SIZE);
    struct listed l = list("", 4, &more);
    CHECK(l.share[0].used_bytes > SIZE - WR_MIB && l.share[0].used_bytes <= SIZE);
    CHECK(l.share[1].used_bytes < WR_MIB);
    /* The neighbour has his own. */
    CHECK(fill(B) > SIZE - WR_MIB);
    /* A full one can be removed. */
    CHECK_INT(wr_share_remove(shares, A, &err), 0);
}
TEST(the_size_is_a_hard_limit)
{
    with_shares(check_limit);
}

static void check_half_made(void)
{
    bool more = false;
    int fd = -1;
    make(A);
    make(B);
    CHECK(unlinkat(top_fd, "volume/volumes/" A "/record.json", 0) == 0);
    /* Nobody's. */
    CHECK_INT(wr_share_open(shares, A, &fd, &err), -WR_E_NOT_FOUND);
    CHECK_INT(list("", 4, &more).count, 1);
    /* Made again from the beginning, */
    make(A);
    CHECK_INT(wr_share_open(shares, A, &fd, &err), 0);
    close(fd);
    /* or removed by the next engine. */
    CHECK(unlinkat(top_fd, "volume/volumes/" A "/record.json", 0) == 0);
    close_all();
    open_all();
    CHECK(faccessat(top_fd, "volume/volumes/" A, F_OK, 0) < 0 && errno == ENOENT);
    CHECK_INT(wr_share_open(shares, B, &fd, &err), 0);
    close(fd);
    /* A removal that was interrupted goes on. */
    CHECK(renameat(top_fd, "volume/volumes/" B, top_fd, "volume/volumes/.gone-b") == 0);
    close_all();
    open_all();
    wr_shares_drain(shares);
    CHECK(faccessat(top_fd, "volume/volumes/.gone-b", F_OK, 0) < 0 && errno == ENOENT);
}
TEST(what_is_half_made_is_nobodys)
{
    with_shares(check_half_made);
}

static void check_record(void)
{
    static const char newer[] =
        "{\"format\":2,\"volume\":\"" A "\",\"sizeBytes\":16777216,\"createdMs\":1}";
    make(A);
    int top_of_a = openat(top_fd, "volume/volumes/" A, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_of_a >= 0);
    CHECK_INT(wr_file_replace(top_of_a, "record.json", newer, sizeof(newer) - 1, 0600, WR_VOLATILE),
              0);
    CHECK(wr_share_make(shares, A, SIZE, &err) < 0);
    CHECK(strstr(err.msg, "format"));
    close_all();
    open_all(); /* and nothing is removed */
    CHECK(faccessat(top_of_a, "data", F_OK, 0) == 0);
    close(top_of_a);
}
TEST(a_record_of_a_newer_version_is_not_touched)
{
    with_shares(check_record);
}

/* What is on the device at this moment is what a power cut leaves. */
static void check_power_cut(void)
{
    char copied[96], command_from[96];
    struct stat st;
    int fd = -1;
    make(A);
    snprintf(command_from, sizeof(command_from), "%s/volume.img", top);
    snprintf(copied, sizeof(copied), "%s/after", top);
    CHECK(mkdir(copied, 0700) == 0);
    int from = open(command_from, O_RDONLY | O_CLOEXEC);
    CHECK(from >= 0 && fstat(from, &st) == 0);
    int copy_dir = open(copied, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int to = openat(copy_dir, "volume.img", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(to >= 0 && ftruncate(to, st.st_size) == 0);
    /* Holes stay holes. */
    for (off_t data = lseek(from, 0, SEEK_DATA); data >= 0; data = lseek(from, data, SEEK_DATA)) {
        off_t end = lseek(from, data, SEEK_HOLE);
        static char block[1 << 16];
        while (data < end) {
            ssize_t n = pread(from, block, (size_t)WR_MIN(end - data, (off_t)sizeof(block)), data);
            CHECK(n > 0 && pwrite(to, block, (size_t)n, data) == n);
            data += n;
        }
    }
    close(to);
    close(from);
    /* The copy has the same file system id: only one of them can be mounted. */
    close_all();
    CHECK_INT(wr_volume_unmount(top, &err), 0);
    const struct wr_volume_opts opts = {.data_dirfd = copy_dir, .data_dir = copied};
    CHECK_INT(wr_volume_open(&opts, &volume, &err), 0);
    CHECK_INT(wr_shares_open(volume, &shares, &err), 0);
    int r = wr_share_open(shares, A, &fd, &err);
    uint64_t written = r == 0 ? fill(A) : 0;
    wr_close(fd);
    close_all();
    struct wr_error undo_err;
    CHECK_INT(wr_volume_unmount(copied, &undo_err), 0);
    close(copy_dir);
    CHECK_INT(r, 0);
    CHECK(written > SIZE - WR_MIB && written <= SIZE);
    open_all();
}
TEST(a_share_outlives_a_power_cut)
{
    with_shares(check_power_cut);
}

TEST(ids)
{
    CHECK(wr_share_id_valid(A));
    CHECK(!wr_share_id_valid(""));
    CHECK(!wr_share_id_valid("A1111111-2222-4333-8444-555555555555"));
    CHECK(!wr_share_id_valid("11111111-2222-4333-8444-55555555555"));
    CHECK(!wr_share_id_valid(A "5"));
    CHECK(!wr_share_id_valid("11111111x2222-4333-8444-555555555555"));
    CHECK(!wr_share_id_valid("1111111/-2222-4333-8444-555555555555"));
}
