#include "base/alloc.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/orchestrate/board_copy.h"
#include "support/fake_driver.h"
#include "test.h"

struct scene {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_sandbox *sandbox;
    struct wr_blackboard *board;
    struct wr_board_copy copy;
};

static void begin(struct scene *scene)
{
    struct wr_error err = {0};

    *scene = (struct scene){.driver = fake_driver_new()};
    scene->client = fake_driver_client(scene->driver);
    CHECK_INT(wr_sandbox_create(scene->client, NULL, NULL, &scene->sandbox, &err), 0);
    scene->board = wr_blackboard_open(NULL, 1000, &err);
    CHECK(scene->board != NULL);
}

static void end(struct scene *scene)
{
    wr_board_copy_done(&scene->copy);
    wr_blackboard_free(scene->board);
    wr_sandbox_free(scene->sandbox);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

static void note(struct scene *scene, const char *path, const char *text)
{
    struct wr_error err = {0};

    CHECK_INT(wr_blackboard_write(scene->board, path, text, strlen(text), &err), 0);
}

static void inside(struct scene *scene, const char *path, const char *text)
{
    struct wr_error err = {0};

    CHECK_INT(wr_files_write(scene->sandbox, path, NULL, text, strlen(text), NULL, &err), 0);
}

/* The text of a file on the board; NULL when there is none. */
static char *noted(struct scene *scene, const char *path)
{
    wr_auto_board_files files = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_blackboard_read(scene->board, &files, &err), 0);
    for (size_t i = 0; i < files.count; i++)
        if (wr_streq(files.items[i].path, path))
            return wr_strndup(files.items[i].bytes, files.items[i].len);
    return NULL;
}

static void check_noted(struct scene *scene, const char *path, const char *text)
{
    wr_auto_free char *found = noted(scene, path);

    if (text)
        CHECK_STR(found, text);
    else
        CHECK(found == NULL);
}

static int in(struct scene *scene, struct wr_error *err)
{
    *err = (struct wr_error){0};
    return wr_board_copy_in(scene->board, scene->sandbox, "/board", NULL, &scene->copy, err);
}

static int out(struct scene *scene, struct wr_error *err)
{
    *err = (struct wr_error){0};
    return wr_board_copy_out(scene->board, scene->sandbox, "/board", NULL, &scene->copy, err);
}

TEST(there_and_back)
{
    struct scene scene;
    struct wr_error err;

    begin(&scene);
    note(&scene, "a", "one");
    note(&scene, "d/b", "two");
    CHECK_INT(in(&scene, &err), 0);
    wr_auto_free char *b =
        fake_driver_file(scene.driver, wr_sandbox_id(scene.sandbox), "/board/d/b");
    CHECK_STR(b, "two");
    inside(&scene, "/board/d/b", "changed");
    inside(&scene, "/board/new/c", "three");
    inside(&scene, "/elsewhere", "x");
    CHECK_INT(out(&scene, &err), 0);
    check_noted(&scene, "a", "one");
    check_noted(&scene, "d/b", "changed");
    check_noted(&scene, "new/c", "three");
    check_noted(&scene, "elsewhere", NULL);
    end(&scene);
}

/* What this task did not touch is another one's to change. */
TEST(what_was_not_changed_does_not_win)
{
    struct scene scene;
    struct wr_error err;

    begin(&scene);
    note(&scene, "a", "old");
    CHECK_INT(in(&scene, &err), 0);
    note(&scene, "a", "newer");
    CHECK_INT(out(&scene, &err), 0);
    check_noted(&scene, "a", "newer");
    end(&scene);
}

TEST(a_directory_that_is_somebody_elses)
{
    struct scene scene;
    struct wr_error err;

    begin(&scene);
    fake_driver_fail(scene.driver, FAKE_PROGRAM, 1, 1, WR_E_UNAVAILABLE);
    CHECK_INT(in(&scene, &err), -WR_E_UNAVAILABLE);
    end(&scene);
}

static int says_other(struct fake_driver *driver, const struct wr_call *call,
                      const struct wr_program_opts *opts, void *data, struct wr_value **ret,
                      struct wr_error *err)
{
    (void)driver;
    (void)call;
    (void)err;
    CHECK_STR(opts->user, "root");
    CHECK_STR(opts->argv[4], "/board");
    *ret = fake_program_result(*(int *)data, NULL, "no space");
    return 0;
}

TEST(a_directory_that_cannot_be_made)
{
    struct scene scene;
    struct wr_error err;
    int status = 3;

    begin(&scene);
    fake_driver_on_program(scene.driver, says_other, &status);
    CHECK_INT(in(&scene, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "share_path") != NULL);
    status = 1;
    CHECK_INT(in(&scene, &err), -WR_E_INTERNAL);
    CHECK(strstr(err.msg, "no space") != NULL);
    end(&scene);
}

TEST(more_than_the_board_takes)
{
    struct scene scene;
    struct wr_error err;
    char much[2001];

    memset(much, 'x', 2000);
    much[2000] = '\0';
    begin(&scene);
    CHECK_INT(in(&scene, &err), 0);
    inside(&scene, "/board/much", much);
    CHECK_INT(out(&scene, &err), -WR_E_RESOURCE_EXHAUSTED);
    check_noted(&scene, "much", NULL);
    end(&scene);
}

/* A sandbox says what it likes about its files. */
TEST(names_out_of_a_sandbox)
{
    static const char *const names[] = {"/board/../x", "/board//x", "/board/.warren-board",
                                        "/board/./x", "/board/.wr-1.tmp"};
    struct scene scene;
    struct wr_error err;

    begin(&scene);
    CHECK_INT(in(&scene, &err), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        inside(&scene, names[i], "evil");
    inside(&scene, "/board/fine", "x");
    CHECK_INT(out(&scene, &err), 0);
    wr_auto_board_files files = {0};
    CHECK_INT(wr_blackboard_read(scene.board, &files, &err), 0);
    CHECK_INT(files.count, 1);
    CHECK_STR(files.items[0].path, "fine");
    end(&scene);
}

TEST(every_step_may_fail)
{
    static const enum fake_op ops[] = {FAKE_PROGRAM, FAKE_FILE_WRITE, FAKE_FILE_OTHER};
    struct scene scene;
    struct wr_error err;

    for (size_t i = 0; i < WR_ARRAY_SIZE(ops); i++) {
        begin(&scene);
        note(&scene, "a", "one");
        fake_driver_fail(scene.driver, ops[i], 1, 1, WR_E_UNAVAILABLE);
        CHECK_INT(in(&scene, &err), -WR_E_UNAVAILABLE);
        CHECK(scene.copy.listed == NULL);
        CHECK_INT(in(&scene, &err), 0);
        inside(&scene, "/board/b", "x");
        fake_driver_fail(scene.driver, FAKE_FILE_READ, 1, 1, WR_E_UNAVAILABLE);
        CHECK_INT(out(&scene, &err), -WR_E_UNAVAILABLE);
        CHECK_INT(out(&scene, &err), 0);
        check_noted(&scene, "b", "x");
        end(&scene);
    }
}
