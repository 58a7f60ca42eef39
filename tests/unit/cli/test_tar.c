#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "cli/tar_extract.h"
#include "cli/tar_pack.h"
#include "test.h"

static struct wr_buf stream = WR_BUF((size_t)4 * 1024 * 1024);
static size_t position;
static int skipped;
static char dir[64];

static int sink(void *data, const void *bytes, size_t len, struct wr_error *err)
{
    (void)data;
    (void)err;
    CHECK_INT(wr_buf_append(&stream, bytes, len), 0);
    return 0;
}

static ssize_t source(void *data, const void **ret, struct wr_error *err)
{
    size_t n = stream.len - position;
    (void)data;
    (void)err;
    n = n > 1000 ? 1000 : n;
    *ret = wr_buf_ptr(&stream) + position;
    position += n;
    return (ssize_t)n;
}

static void on_skipped(const char *path, void *data)
{
    (void)path;
    (void)data;
    skipped++;
}

static void set_up(void)
{
    snprintf(dir, sizeof dir, "/tmp/wr-tar-XXXXXX");
    CHECK(mkdtemp(dir) && chdir(dir) == 0);
    CHECK(mkdir("in", 0755) == 0 && mkdir("out", 0755) == 0 && mkdir("outside", 0755) == 0);
}

static void tear_down(void)
{
    CHECK(chdir("/") == 0);
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

static int extract(uint64_t max_bytes, struct wr_error *err)
{
    int fd = open("out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct wr_tar_extract opts = {fd, source, NULL, max_bytes, on_skipped};
    position = 0;
    *err = (struct wr_error){0};
    int r = wr_tar_extract(&opts, err);
    close(fd);
    return r;
}

static void write_file(const char *path, const char *text)
{
    CHECK_INT(wr_file_replace(AT_FDCWD, path, text, strlen(text), 0640, WR_VOLATILE), 0);
}

TEST(round_trip)
{
    struct wr_error err = {0};
    struct stat st;
    char text[64];
    set_up();
    CHECK(mkdir("in/sub", 0755) == 0 && symlink("../x", "in/sub/link") == 0);
    write_file("in/a", "hello");
    write_file("in/sub/empty", "");
    CHECK_INT(wr_tar_pack("in", sink, NULL, &err), 0);
    CHECK_INT(extract(1000, &err), 0);
    CHECK(wr_file_read_line(AT_FDCWD, "out/a", text, sizeof text) > 0);
    CHECK_STR(text, "hello");
    CHECK(stat("out/a", &st) == 0 && (st.st_mode & 0777) == 0640);
    CHECK(stat("out/sub/empty", &st) == 0 && st.st_size == 0);
    CHECK(lstat("out/sub/link", &st) == 0 && S_ISLNK(st.st_mode));
    /* Again over what is there. */
    CHECK_INT(extract(1000, &err), 0);
    CHECK_INT(extract(4, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(extract(5, &err), 0);
    tear_down();
}

struct item {
    const char *path, *link, *hard_link;
    mode_t type;
};

/* A stream as only a hostile sandbox makes it. */
static void make(const struct item *items, size_t count)
{
    static char memory[65536];
    size_t used = 0;
    struct archive *archive = archive_write_new();
    archive_write_set_format_ustar(archive);
    archive_write_open_memory(archive, memory, sizeof memory, &used);
    for (size_t i = 0; i < count; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname(entry, items[i].path);
        archive_entry_set_perm(entry, 06777);
        archive_entry_set_filetype(entry, items[i].type);
        archive_entry_set_size(entry, items[i].type == AE_IFREG && !items[i].hard_link ? 4 : 0);
        if (items[i].link)
            archive_entry_set_symlink(entry, items[i].link);
        if (items[i].hard_link)
            archive_entry_set_hardlink(entry, items[i].hard_link);
        CHECK_INT(archive_write_header(archive, entry), ARCHIVE_OK);
        if (archive_entry_size(entry))
            CHECK_INT(archive_write_data(archive, "evil", 4), 4);
        archive_entry_free(entry);
    }
    archive_write_close(archive);
    archive_write_free(archive);
    CHECK_INT(wr_buf_append(&stream, memory, used), 0);
}

static void hostile(const struct item *items, size_t count)
{
    struct wr_error err;
    set_up();
    write_file("outside/victim", "safe");
    make(items, count);
    CHECK_INT(extract(1000, &err), -WR_E_INVALID_ARGUMENT);
    char text[16];
    CHECK(wr_file_read_line(AT_FDCWD, "outside/victim", text, sizeof text) > 0);
    CHECK_STR(text, "safe");
    CHECK(access("outside/new", F_OK) < 0 && access("new", F_OK) < 0);
    tear_down();
}

TEST(parent_paths_are_refused)
{
    hostile((struct item[]){{"../outside/new", NULL, NULL, AE_IFREG}}, 1);
}

TEST(inner_parent_paths_are_refused)
{
    hostile((struct item[]){{"a", NULL, NULL, AE_IFDIR}, {"a/../../new", NULL, NULL, AE_IFREG}}, 2);
}

TEST(writing_through_a_link_is_refused)
{
    hostile((struct item[]){{"l", "../outside", NULL, AE_IFLNK}, {"l/new", NULL, NULL, AE_IFREG}},
            2);
}

TEST(hard_link_through_a_link_is_refused)
{
    hostile((struct item[]){{"l", "../outside", NULL, AE_IFLNK},
                            {"h", NULL, "l/victim", AE_IFREG},
                            {"h", NULL, NULL, AE_IFREG}},
            3);
}

TEST(hard_link_to_the_outside_is_refused)
{
    hostile((struct item[]){{"h", NULL, "../outside/victim", AE_IFREG}}, 1);
}

TEST(link_is_replaced_not_followed)
{
    struct wr_error err;
    struct stat st;
    set_up();
    write_file("outside/victim", "safe");
    make((struct item[]){{"f", "../outside/victim", NULL, AE_IFLNK}, {"f", NULL, NULL, AE_IFREG}},
         2);
    CHECK_INT(extract(1000, &err), 0);
    CHECK(lstat("out/f", &st) == 0 && S_ISREG(st.st_mode));
    CHECK_INT(st.st_mode & 07777, 0777); /* without set-id bits */
    CHECK(stat("outside/victim", &st) == 0 && st.st_size == 4);
    tear_down();
}

TEST(special_files_are_left_out)
{
    struct wr_error err;
    set_up();
    make((struct item[]){{"dev", NULL, NULL, AE_IFCHR}, {"pipe", NULL, NULL, AE_IFIFO}}, 2);
    CHECK_INT(extract(1000, &err), 0);
    CHECK_INT(skipped, 2);
    CHECK(access("out/dev", F_OK) < 0 && access("out/pipe", F_OK) < 0);
    tear_down();
}

TEST(garbage_is_refused)
{
    struct wr_error err;
    set_up();
    make((struct item[]){{"f", NULL, NULL, AE_IFREG}}, 1);
    wr_buf_ptr(&stream)[3] ^= 0x55;
    CHECK_INT(extract(1000, &err), -WR_E_DATA_LOSS);
    tear_down();
}
