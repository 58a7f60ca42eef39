#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/str.h"
#include "primitives/orchestrate/blackboard.h"
#include "test.h"

struct scene {
    char dir[64], outside[64];
    struct wr_blackboard *board;
};

static void begin(struct scene *scene, uint64_t max_bytes)
{
    struct wr_error err = {0};

    CHECK(wr_strcopy(scene->dir, sizeof scene->dir, "/tmp/warren-boards-XXXXXX"));
    CHECK(wr_strcopy(scene->outside, sizeof scene->outside, "/tmp/warren-outside-XXXXXX"));
    CHECK(mkdtemp(scene->dir) && mkdtemp(scene->outside));
    scene->board = wr_blackboard_open(scene->dir, max_bytes, &err);
    CHECK(scene->board != NULL);
}

static void end(struct scene *scene)
{
    wr_blackboard_free(scene->board);
    CHECK_INT(wr_remove_tree(AT_FDCWD, scene->dir), 0);
    CHECK_INT(wr_remove_tree(AT_FDCWD, scene->outside), 0);
}

static int put(struct scene *scene, const char *path, const char *text)
{
    struct wr_error err = {0};

    return wr_blackboard_write(scene->board, path, text, strlen(text), &err);
}

static const struct wr_board_file *get(const struct wr_board_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (wr_streq(files->items[i].path, path))
            return &files->items[i];
    return NULL;
}

TEST(what_is_written_is_read)
{
    struct scene scene;
    struct wr_error err = {0};
    wr_auto_board_files files = {0};

    begin(&scene, 1000);
    CHECK_INT(put(&scene, "a.txt", "one"), 0);
    CHECK_INT(put(&scene, "d/e/f.txt", "two"), 0);
    CHECK_INT(put(&scene, "a.txt", "three"), 0);
    CHECK_INT(put(&scene, "empty", ""), 0);
    CHECK_INT(wr_blackboard_read(scene.board, &files, &err), 0);
    CHECK_INT(files.count, 3);
    CHECK(get(&files, "a.txt") && memcmp(get(&files, "a.txt")->bytes, "three", 5) == 0);
    CHECK(get(&files, "d/e/f.txt") && get(&files, "d/e/f.txt")->len == 3);
    CHECK_INT(get(&files, "empty")->len, 0);
    CHECK(!wr_streq(get(&files, "a.txt")->hash, get(&files, "empty")->hash));
    end(&scene);
}

TEST(names_that_lead_elsewhere)
{
    static const char *const bad[] = {"",
                                      "/",
                                      "/etc/x",
                                      "..",
                                      "../x",
                                      "a/../../x",
                                      "a//b",
                                      "a/",
                                      ".",
                                      "./a",
                                      "a/.",
                                      "\xff",
                                      "a\nb",
                                      "\x7f",
                                      ".warren-board",
                                      ".wr-x.tmp",
                                      "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q"};
    static const char *const good[] = {"a",        "...",     "..a",
                                       "a..",      ".hidden", "a b",
                                       "\xc3\xa4", "-rf",     "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p"};
    char name[300];

    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK(!wr_board_path_valid(bad[i]));
    for (size_t i = 0; i < WR_ARRAY_SIZE(good); i++)
        CHECK(wr_board_path_valid(good[i]));
    memset(name, 'x', sizeof name);
    name[256] = '\0';
    CHECK(!wr_board_path_valid(name));
    name[255] = '\0';
    CHECK(wr_board_path_valid(name));

    struct scene scene;
    begin(&scene, 1000);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(put(&scene, bad[i], "x"), -WR_E_INVALID_ARGUMENT);
    end(&scene);
}

/* Whoever can put links there (the caller's own programs, another task) leads nothing astray. */
TEST(links_are_not_followed)
{
    struct scene scene;
    struct wr_error err = {0};
    wr_auto_board_files files = {0};
    char path[128], target[128];
    struct stat st;

    begin(&scene, 1000);
    snprintf(target, sizeof target, "%s/secret", scene.outside);
    CHECK_INT(wr_file_replace(AT_FDCWD, target, "s", 1, 0600, WR_VOLATILE), 0);
    snprintf(path, sizeof path, "%s/dir", scene.dir);
    CHECK_INT(symlink(scene.outside, path), 0);
    snprintf(path, sizeof path, "%s/file", scene.dir);
    CHECK_INT(symlink(target, path), 0);
    snprintf(path, sizeof path, "%s/fifo", scene.dir);
    CHECK_INT(mkfifo(path, 0600), 0);
    CHECK_INT(wr_blackboard_read(scene.board, &files, &err), 0);
    CHECK_INT(files.count, 0);
    CHECK(put(&scene, "dir/new", "x") < 0);
    CHECK(put(&scene, "dir/secret", "x") < 0);
    CHECK(put(&scene, "file", "x") < 0);
    CHECK(put(&scene, "fifo", "x") < 0);
    CHECK_INT(stat(target, &st), 0);
    CHECK_INT(st.st_size, 1);
    snprintf(path, sizeof path, "%s/new", scene.outside);
    CHECK(stat(path, &st) < 0);
    end(&scene);
}

TEST(files_and_directories_in_each_others_place)
{
    struct scene scene;

    begin(&scene, 1000);
    CHECK_INT(put(&scene, "a", "x"), 0);
    CHECK(put(&scene, "a/b", "x") < 0);
    CHECK_INT(put(&scene, "c/d", "x"), 0);
    CHECK(put(&scene, "c", "x") < 0);
    end(&scene);
}

TEST(it_has_a_size)
{
    struct scene scene;
    struct wr_error err = {0};

    begin(&scene, 10);
    CHECK_INT(put(&scene, "a", "12345"), 0);
    CHECK_INT(put(&scene, "b", "12345"), 0);
    CHECK_INT(put(&scene, "c", "1"), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(put(&scene, "c", ""), 0);
    CHECK_INT(put(&scene, "a", "123456"), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(put(&scene, "a", "1234"), 0);
    CHECK_INT(put(&scene, "b", "123456"), 0);
    CHECK(wr_blackboard_open(scene.dir, 9, &err) == NULL);
    CHECK_INT(err.code, WR_E_RESOURCE_EXHAUSTED);
    end(&scene);
}

TEST(it_has_a_number_of_files)
{
    struct scene scene;
    char name[16];

    begin(&scene, 1000);
    for (int i = 0; i < WR_BOARD_MAX_FILES; i++) {
        snprintf(name, sizeof name, "%d", i);
        CHECK_INT(put(&scene, name, ""), 0);
    }
    CHECK_INT(put(&scene, "more", ""), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(put(&scene, "0", "x"), 0);
    end(&scene);
}

TEST(a_temporary_one)
{
    struct wr_error err = {0};

    CHECK_INT(setenv("TMPDIR", "/nonexistent", 1), 0);
    CHECK(wr_blackboard_open(NULL, 10, &err) == NULL);
    CHECK_INT(unsetenv("TMPDIR"), 0);
    struct wr_blackboard *board = wr_blackboard_open(NULL, 10, &err);
    CHECK(board != NULL);
    CHECK_INT(wr_blackboard_write(board, "a/b", "x", 1, &err), 0);
    CHECK(wr_blackboard_free(board) == NULL);
    CHECK(wr_blackboard_free(NULL) == NULL);
    CHECK(wr_blackboard_open("/nonexistent/x", 10, &err) == NULL);
    CHECK_INT(err.code, WR_E_NOT_FOUND);
}
