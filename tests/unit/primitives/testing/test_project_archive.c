#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "primitives/testing/project_archive.h"
#include "test.h"

static char directory[] = "/tmp/test-project-XXXXXX";

static const char *in(const char *path)
{
    static char all[4][256];
    static unsigned turn;
    char *made = all[turn++ % 4];

    snprintf(made, sizeof all[0], "%s/%s", directory, path);
    return made;
}

static void put(const char *path, const char *text)
{
    int fd = open(in(path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static void set_up(void)
{
    CHECK(mkdtemp(directory));
    CHECK(mkdir(in("p"), 0755) == 0 && mkdir(in("p/src"), 0755) == 0);
    put("p/src/a.py", "a = 1");
    put("p/run.sh", "#!/bin/sh");
    CHECK(chmod(in("p/run.sh"), 0755) == 0);
    for (const char *const *name = (const char *const[]){".git", "__pycache__", ".venv",
                                                         "node_modules", ".pytest_cache", NULL};
         *name; name++) {
        char path[64];
        snprintf(path, sizeof path, "p/src/%s", *name);
        CHECK(mkdir(in(path), 0755) == 0);
        snprintf(path, sizeof path, "p/src/%s/inside", *name);
        put(path, "x");
    }
    CHECK(symlink("src/a.py", in("p/inner")) == 0);
    CHECK(symlink("../run.sh", in("p/src/up")) == 0);
    CHECK(symlink("../outside", in("p/out")) == 0);
    CHECK(symlink("src/../../outside", in("p/out2")) == 0);
    CHECK(symlink("/etc/passwd", in("p/absolute")) == 0);
    CHECK(mkfifo(in("p/fifo"), 0644) == 0);
}

static void tear_down(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, directory), 0);
}

/* Names in the archive, "a,b,", in any order. */
static void names_of(int fd, char *ret, size_t cap)
{
    struct archive *archive = archive_read_new();
    struct archive_entry *entry = NULL;

    *ret = '\0';
    archive_read_support_format_tar(archive);
    archive_read_support_filter_all(archive);
    CHECK_INT(archive_read_open_fd(archive, fd, 4096), ARCHIVE_OK);
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK)
        snprintf(ret + strlen(ret), cap - strlen(ret), "%s,", archive_entry_pathname(entry));
    archive_read_free(archive);
}

static bool has(const char *list, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strstr(list, name); at; at = strstr(at + 1, name))
        if ((at == list || at[-1] == ',') && at[len] == ',')
            return true;
    return false;
}

TEST(a_directory)
{
    struct wr_project_archive archive = {.fd = -1};
    struct wr_error err = {0};
    char names[2000];
    size_t count = 0;

    set_up();
    CHECK_INT(wr_project_archive_open(in("p"), &archive, &err), 0);
    names_of(archive.fd, names, sizeof names);
    CHECK(has(names, "src/") || has(names, "src"));
    CHECK(has(names, "src/a.py") && has(names, "run.sh"));
    CHECK(has(names, "inner") && has(names, "src/up"));
    CHECK(!has(names, "out") && !has(names, "out2") && !has(names, "absolute"));
    CHECK(!strstr(names, "inside") && !strstr(names, "fifo"));
    for (const char *at = names; *at; at++)
        count += *at == ',';
    CHECK_INT(count, 5);
    CHECK_INT(json_array_size(archive.left_out), 4);
    wr_project_archive_close(&archive);
    wr_project_archive_close(&archive);
    tear_down();
}

/* An archive of one file through a filter. */
static void make_archive(const char *path, int filter)
{
    struct archive *archive = archive_write_new();
    struct archive_entry *entry = archive_entry_new();

    archive_write_add_filter(archive, filter);
    archive_write_set_format_pax_restricted(archive);
    CHECK_INT(archive_write_open_filename(archive, path), ARCHIVE_OK);
    archive_entry_set_pathname(entry, "only.py");
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, 1);
    CHECK_INT(archive_write_header(archive, entry), ARCHIVE_OK);
    CHECK_INT(archive_write_data(archive, "1", 1), 1);
    archive_entry_free(entry);
    archive_write_close(archive);
    archive_write_free(archive);
}

TEST(archives)
{
    static const int filters[] = {ARCHIVE_FILTER_NONE, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD};
    struct wr_project_archive archive = {.fd = -1};
    struct wr_error err = {0};
    char names[200];
    unsigned char magic[4];

    set_up();
    for (size_t i = 0; i < WR_ARRAY_SIZE(filters); i++) {
        make_archive(in("archive"), filters[i]);
        CHECK_INT(wr_project_archive_open(in("archive"), &archive, &err), 0);
        CHECK_INT(pread(archive.fd, magic, 4, 0), 4);
        CHECK(memcmp(magic, "\x28\xb5\x2f\xfd", 4) != 0); /* sandboxes may have no zstd */
        names_of(archive.fd, names, sizeof names);
        CHECK_STR(names, "only.py,");
        CHECK_INT(json_array_size(archive.left_out), 0);
        wr_project_archive_close(&archive);
    }
    tear_down();
}

TEST(what_is_no_project)
{
    struct wr_project_archive archive = {.fd = -1};
    struct wr_error err = {0};

    set_up();
    CHECK_INT(wr_project_archive_open(in("nothing"), &archive, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_project_archive_open(in("p/src/a.py"), &archive, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_project_archive_open(in("p/fifo"), &archive, &err), -WR_E_INVALID_ARGUMENT);
    put("broken", "\x28\xb5\x2f\xfd garbage");
    CHECK(wr_project_archive_open(in("broken"), &archive, &err) < 0);
    CHECK_INT(archive.fd, -1);
    tear_down();
}
