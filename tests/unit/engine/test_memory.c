/* Shared memory on the disk, in a directory that stands for the volume. */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/snapshot/memory.h"
#include "test.h"

#define FIRST  "aaaaaaaaaaaaaaaaaaaa"
#define SECOND "bbbbbbbbbbbbbbbbbbbb"
#define BYTES  700000

#define MAX_BYTES (3 * BYTES)

static char top[] = "/tmp/test_memory.XXXXXX";
static int top_fd;
static struct wr_memory *memory;
static struct wr_error err;

static void set_up(void)
{
    NEEDS_ROOT();
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0);
    CHECK_INT(wr_memory_open(top_fd, MAX_BYTES, &memory, &err), 0);
}

static void clean_up(void)
{
    memory = wr_memory_free(memory);
    wr_close(top_fd);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

static int make(char fill, mode_t mode)
{
    static char data[BYTES];
    int fd = memfd_create("python", MFD_CLOEXEC);

    memset(data, fill, sizeof(data));
    CHECK(fd >= 0);
    CHECK_INT(wr_write_all(fd, data, sizeof(data)), 0);
    CHECK_INT(fchmod(fd, mode), 0);
    return fd;
}

static struct wr_memory_file keep(int fd, const char *id)
{
    struct wr_memory_file file = {.key = "file[0:1]"};

    if (wr_memory_keep(memory, fd, id, &file, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return file;
}

static const char *path_of(const struct wr_memory_file *file, const char *id)
{
    static char path[128];

    CHECK(
        wr_strformat(path, sizeof(path), "memory/%s%s%s", file->hash, id ? "-" : "", id ? id : ""));
    return path;
}

static bool is_there(const struct wr_memory_file *file, const char *id)
{
    return faccessat(top_fd, path_of(file, id), F_OK, 0) == 0;
}

static ino_t inode_of(const struct wr_memory_file *file)
{
    struct stat st;

    CHECK_INT(fstatat(top_fd, path_of(file, NULL), &st, 0), 0);
    return st.st_ino;
}

static void damage(const struct wr_memory_file *file)
{
    wr_auto_close int fd = openat(top_fd, path_of(file, NULL), O_WRONLY | O_CLOEXEC);
    struct stat before, now;

    CHECK_INT(fstat(fd, &before), 0);
    /* Until Linux 6.13 the times of files go in steps of some milliseconds. */
    do {
        (void)usleep(1000);
        CHECK_INT(pwrite(fd, "!", 1, BYTES / 2), 1);
        CHECK_INT(fstat(fd, &now), 0);
    } while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
             now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

static size_t learned(void)
{
    struct wr_memory_news news;

    wr_memory_news(memory, &news);
    return news.count;
}

TEST(it_is_kept_once)
{
    struct stat st;
    ino_t inodes[8];

    set_up();
    wr_auto_close int fd = make('x', 0555);
    wr_auto_close int same = make('x', 0555);
    wr_auto_close int other = make('y', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    CHECK_INT(file.size_bytes, BYTES);
    CHECK_STR(file.key, "file[0:1]");
    CHECK_INT(fstatat(top_fd, path_of(&file, NULL), &st, 0), 0);
    CHECK_INT(st.st_mode & 07777, 0555);
    CHECK_INT(st.st_size, BYTES);
    CHECK_STR(keep(same, SECOND).hash, file.hash);
    CHECK_INT(inode_of(&file), st.st_ino);
    CHECK(is_there(&file, FIRST) && is_there(&file, SECOND));
    const struct wr_memory_file third = keep(other, FIRST);
    CHECK(!wr_streq(third.hash, file.hash) && is_there(&third, FIRST));
    CHECK_INT(wr_memory_inodes(memory, inodes, 8), 2);
    CHECK_INT(wr_memory_inodes(memory, inodes, 1), 1);
    CHECK(inodes[0] == st.st_ino || inodes[0] == inode_of(&third));
    clean_up();
}

TEST(a_file_of_the_store_is_found)
{
    set_up();
    wr_auto_close int fd = make('x', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    const size_t before = learned();
    wr_auto_close int mapped = -1;
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), 0);
    CHECK_STR(keep(mapped, SECOND).hash, file.hash);
    CHECK(is_there(&file, SECOND));
    CHECK_INT(learned(), before);
    clean_up();
}

TEST(what_is_no_memory_to_share_is_refused)
{
    struct wr_memory_file file = {.size_bytes = 0};

    set_up();
    wr_auto_close int writable = make('x', 0755);
    wr_auto_close int empty = memfd_create("python", MFD_CLOEXEC);
    wr_auto_close int large = make('x', 0555);
    CHECK_INT(fchmod(empty, 0555), 0);
    CHECK_INT(ftruncate(large, (off_t)WR_MEMORY_MAX_BYTES + 1), 0);
    const int fds[] = {writable, empty, large, top_fd};
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        CHECK_INT(wr_memory_keep(memory, fds[i], FIRST, &file, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(wr_memory_keep(memory, writable, "../x", &file, &err), -WR_E_FAILED_PRECONDITION);
    CHECK_STR(file.hash, "");
    clean_up();
}

/* What one process has read, another one need not. */
TEST(what_is_known_is_not_read_again)
{
    struct wr_memory_news news;

    set_up();
    wr_auto_close int fd = make('x', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    CHECK_INT(learned(), 2); /* the memory, and what was written */
    wr_memory_news(memory, &news);
    memory = wr_memory_free(memory);
    CHECK_INT(wr_memory_open(top_fd, MAX_BYTES, &memory, &err), 0);
    wr_memory_learn(memory, &news);
    wr_auto_close int mapped = -1;
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), 0);
    (void)keep(fd, SECOND);
    CHECK_INT(learned(), 0);
    memory = wr_memory_free(memory);
    CHECK_INT(wr_memory_open(top_fd, MAX_BYTES, &memory, &err), 0);
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), 0);
    CHECK_INT(learned(), 1);
    clean_up();
}

TEST(damage_is_found_and_replaced)
{
    wr_auto_close int mapped = -1;

    set_up();
    wr_auto_close int fd = make('x', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    struct wr_memory_file longer = file;
    longer.size_bytes++;
    CHECK_INT(wr_memory_map(memory, &longer, &mapped, &err), -WR_E_DATA_LOSS);
    damage(&file);
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), -WR_E_DATA_LOSS);
    CHECK(strstr(err.msg, file.hash));
    const ino_t before = inode_of(&file);
    (void)keep(fd, SECOND);
    CHECK(inode_of(&file) != before);
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), 0);
    CHECK_INT(unlinkat(top_fd, path_of(&file, NULL), 0), 0);
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), -WR_E_DATA_LOSS);
    CHECK_INT(
        wr_memory_hold(memory, &(struct wr_memory_files){.list = {file}, .count = 1}, FIRST, &err),
        -WR_E_DATA_LOSS);
    clean_up();
}

static bool nobody(const char *id, void *data)
{
    (void)id;
    (void)data;
    return false;
}

/* Sums can be made to be equal; what has been put in the other one's place is not taken for it. */
TEST(another_one_of_the_same_sum_is_refused)
{
    struct wr_memory_file file = {.key = "file[0:1]"};
    struct wr_memory_news news;

    set_up();
    wr_auto_close int fd = make('x', 0555);
    wr_auto_close int other = make('y', 0555);
    const struct wr_memory_file kept = keep(fd, FIRST);
    wr_memory_news(memory, &news);
    memory = wr_memory_free(memory);
    CHECK_INT(wr_memory_open(top_fd, MAX_BYTES, &memory, &err), 0);
    /* As if "other" had that sum, too. */
    struct stat st;
    CHECK_INT(fstat(other, &st), 0);
    for (size_t i = 0; i < news.count; i++)
        if (news.sums[i].dev == st.st_dev) {
            news.sums[i].ino = st.st_ino;
            news.sums[i].changed_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
        } else {
            news.sums[i].ino++; /* what is in the store was not read yet */
        }
    wr_memory_learn(memory, &news);
    CHECK_INT(wr_memory_keep(memory, other, SECOND, &file, &err), -WR_E_ALREADY_EXISTS);
    CHECK(!file.hash[0] && !is_there(&kept, SECOND) && is_there(&kept, FIRST));
    clean_up();
}

TEST(there_is_a_limit)
{
    struct wr_memory_file file = {.key = "file[0:1]"};

    set_up();
    for (char fill = 'a'; fill < 'd'; fill++) {
        wr_auto_close int fd = make(fill, 0555);
        (void)keep(fd, FIRST);
    }
    wr_auto_close int same = make('a', 0555);
    wr_auto_close int more = make('d', 0555);
    (void)keep(same, SECOND);
    CHECK_INT(wr_memory_keep(memory, more, FIRST, &file, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK(wr_memory_collect(memory, nobody, NULL));
    (void)keep(more, FIRST);
    clean_up();
}

TEST(who_maps_it_learns_no_path_and_cannot_write)
{
    char link[32], target[64] = "", byte = 0;

    set_up();
    wr_auto_close int fd = make('x', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    wr_auto_close int mapped = -1;
    CHECK_INT(wr_memory_map(memory, &file, &mapped, &err), 0);
    CHECK(wr_strformat(link, sizeof(link), "/proc/self/fd/%d", mapped));
    CHECK_INT(readlink(link, target, sizeof(target) - 1), 1);
    CHECK_STR(target, "/");
    CHECK(open(link, O_RDWR | O_CLOEXEC) < 0 && errno == EROFS);
    CHECK(fchmod(mapped, 0777) < 0 && errno == EROFS);
    CHECK_INT(pread(mapped, &byte, 1, BYTES - 1), 1);
    CHECK_INT(byte, 'x');
    const char *page = mmap(NULL, BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE, mapped, 0);
    CHECK(page != MAP_FAILED && page[1] == 'x');
    clean_up();
}

static bool is_second(const char *id, void *data)
{
    *(size_t *)data += 1;
    return wr_streq(id, SECOND);
}

TEST(what_nobody_needs_goes)
{
    size_t asked = 0;

    set_up();
    wr_auto_close int fd = make('x', 0555);
    wr_auto_close int other = make('y', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    const struct wr_memory_file shared = keep(other, FIRST);
    CHECK_INT(wr_memory_hold(memory, &(struct wr_memory_files){.list = {shared}, .count = 1},
                             SECOND, &err),
              0);
    CHECK_INT(wr_file_replace(top_fd, "memory/.new-" FIRST, "x", 1, 0600, WR_VOLATILE), 0);
    CHECK(wr_memory_collect(memory, is_second, &asked));
    CHECK_INT(asked, 3);
    CHECK(!is_there(&file, NULL) && !is_there(&file, FIRST) && !is_there(&shared, FIRST));
    CHECK(is_there(&shared, NULL) && is_there(&shared, SECOND));
    CHECK(faccessat(top_fd, "memory/.new-" FIRST, F_OK, 0) < 0);
    CHECK(wr_memory_collect(memory, nobody, NULL));
    CHECK(!is_there(&shared, NULL) && !is_there(&shared, SECOND));
    /* It was known, and is written again. */
    CHECK(is_there(&file, NULL) == false);
    (void)keep(fd, FIRST);
    CHECK(is_there(&file, NULL) && is_there(&file, FIRST));
    clean_up();
}

TEST(nothing_goes_while_somebody_works_there)
{
    set_up();
    wr_auto_close int fd = make('x', 0555);
    const struct wr_memory_file file = keep(fd, FIRST);
    wr_auto_close int lock = openat(top_fd, "memory", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(flock(lock, LOCK_EX), 0);
    CHECK(!wr_memory_collect(memory, nobody, NULL));
    CHECK(is_there(&file, NULL));
    CHECK_INT(flock(lock, LOCK_UN), 0);
    CHECK(wr_memory_collect(memory, nobody, NULL));
    CHECK(!is_there(&file, NULL));
    clean_up();
}
