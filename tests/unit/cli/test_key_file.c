#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "cli/key_file.h"
#include "test.h"

static struct wr_error err;
static char dir[] = "/tmp/warren-key-XXXXXX";

static void start(void)
{
    CHECK(mkdtemp(dir) && setenv("XDG_CONFIG_HOME", dir, 1) == 0);
}

static void end(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, dir), 0);
}

static const char *path_of(const char *rest)
{
    static char path[128];

    CHECK(wr_strformat(path, sizeof path, "%s/%s", dir, rest));
    return path;
}

TEST(round_trip)
{
    struct wr_key_file file = {0};
    const char *id = NULL, *key = NULL;
    struct stat st;

    start();
    umask(0);
    CHECK_INT(wr_key_file_open(&file, &err), 0);
    CHECK(!wr_key_file_get(&file, "/run/a.sock", &id, &key));
    CHECK_INT(wr_key_file_put(&file, "/run/a.sock", "id-a", "e2b_aa", &err), 0);
    CHECK_INT(wr_key_file_put(&file, "/run/b.sock", "id-b", "e2b_bb", &err), 0);
    CHECK_INT(wr_key_file_put(&file, "/run/a.sock", "id-c", "e2b_cc", &err), 0);
    wr_key_file_done(&file);

    CHECK_INT(wr_key_file_open(&file, &err), 0);
    CHECK(wr_key_file_get(&file, "/run/a.sock", &id, &key));
    CHECK_STR(id, "id-c");
    CHECK_STR(key, "e2b_cc");
    CHECK(wr_key_file_get(&file, "/run/b.sock", &id, &key));
    CHECK_STR(key, "e2b_bb");
    wr_key_file_done(&file);
    CHECK(stat(path_of("warren/key.json"), &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    CHECK(stat(path_of("warren"), &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0700);
    end();
}

static void write_file(const char *text)
{
    CHECK(mkdir(path_of("warren"), 0700) == 0 || errno == EEXIST);
    CHECK_INT(wr_file_replace(AT_FDCWD, path_of("warren/key.json"), text, strlen(text), 0600,
                              WR_VOLATILE),
              0);
}

TEST(other_files_are_not_touched)
{
    static const char *const texts[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"version\": 2, \"keys\": {}}",
                                        "{\"version\": 1, \"keys\": []}",
                                        "{\"version\": 1"};
    struct wr_key_file file = {0};

    start();
    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++) {
        write_file(texts[i]);
        if (wr_key_file_open(&file, &err) != -WR_E_FAILED_PRECONDITION)
            wr_test_fail(__FILE__, __LINE__, "accepted: %s", texts[i]);
        CHECK(strstr(err.msg, "key.json: ") && strstr(err.msg, "remove it"));
        wr_key_file_done(&file);
    }
    end();
}

TEST(entries_of_another_form_are_none)
{
    struct wr_key_file file = {0};
    const char *id = NULL, *key = NULL;

    start();
    write_file("{\"version\": 1, \"keys\": {\"a\": 1, \"b\": {\"id\": \"x\"}}}");
    CHECK_INT(wr_key_file_open(&file, &err), 0);
    CHECK(!wr_key_file_get(&file, "a", &id, &key));
    CHECK(!wr_key_file_get(&file, "b", &id, &key));
    CHECK(!id && !key);
    wr_key_file_done(&file);
    end();
}

TEST(where_it_is)
{
    struct wr_key_file file = {0};

    CHECK(unsetenv("XDG_CONFIG_HOME") == 0 && setenv("HOME", "/nonexistent", 1) == 0);
    CHECK_INT(wr_key_file_open(&file, &err), 0);
    CHECK_STR(file.dir, "/nonexistent/.config/warren");
    wr_key_file_done(&file);
    CHECK(setenv("XDG_CONFIG_HOME", "relative", 1) == 0);
    CHECK_INT(wr_key_file_open(&file, &err), 0);
    CHECK_STR(file.dir, "/nonexistent/.config/warren");
    wr_key_file_done(&file);
    CHECK(unsetenv("HOME") == 0);
    CHECK_INT(wr_key_file_open(&file, &err), -WR_E_FAILED_PRECONDITION);
    wr_key_file_done(&file);
}
