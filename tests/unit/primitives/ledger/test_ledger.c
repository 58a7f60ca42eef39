#include <math.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "json/value.h"
#include "ledger_scene.h"
#include "primitives/ledger/ledger.h"
#include "test.h"

static int64_t executions(struct wr_ledger *ledger)
{
    wr_auto_value *usage = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_ledger_usage(ledger, (uint64_t)1000 * 24 * 3600, &usage, &err), 0);
    return wr_value_int(usage, "executions", -1);
}

TEST(the_file_is_its_owners)
{
    struct ledger_scene scene;
    struct stat st;

    scene_begin(&scene);
    CHECK(stat(scene.path, &st) == 0);
    CHECK_INT(st.st_mode & 07777, 0600);
    scene_end(&scene);
}

TEST(what_one_process_adds_another_sees)
{
    struct ledger_scene scene;
    scene_begin(&scene);
    struct wr_ledger_entry entry = entry_of(&scene, 0, 100);
    struct wr_ledger *other = scene_open(&scene);

    scene_add(&scene, &entry);
    CHECK_INT(executions(other), 1);
    wr_ledger_free(other);
    other = scene_open(&scene);
    CHECK_INT(executions(other), 1);
    wr_ledger_free(other);
    scene_end(&scene);
}

TEST(several_processes_add_at_once)
{
    struct ledger_scene scene;
    pid_t children[4];

    scene_begin(&scene);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct ledger_scene mine = scene;
            mine.ledger = scene_open(&mine); /* connections do not survive a fork */
            struct wr_ledger_entry entry = entry_of(&mine, i, 100);
            for (int j = 0; j < 50; j++)
                scene_add(&mine, &entry);
            wr_ledger_free(mine.ledger);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++) {
        int status = 0;
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    CHECK_INT(executions(scene.ledger), 200);
    scene_end(&scene);
}

TEST(what_is_no_entry)
{
    struct ledger_scene scene;
    struct wr_error err = {0};
    scene_begin(&scene);
    const struct wr_ledger_entry good = entry_of(&scene, 0, 100);
    struct wr_ledger_entry bad[7];

    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        bad[i] = good;
    bad[0].time_ms = -1;
    bad[1].create_ms = NAN;
    bad[2].run_ms = -1;
    bad[3].held_ms = INFINITY;
    bad[4].error_code = WR_E_MAX_;
    bad[5].error_code = -1;
    bad[6].struct_size = 0;
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_ledger_add(scene.ledger, &bad[i], &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_ledger_add(NULL, &good, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(executions(scene.ledger), 0);

    struct wr_ledger_entry least = {.struct_size = sizeof least, .error_code = WR_E_MAX_ - 1};
    least.time_ms = (int64_t)scene.now_ms;
    scene_add(&scene, &least); /* names may be missing */
    CHECK_INT(executions(scene.ledger), 1);
    scene_end(&scene);
}

TEST(old_rows_go_at_an_open)
{
    struct ledger_scene scene;
    scene_begin(&scene);
    struct wr_ledger_entry kept = entry_of(&scene, 400 * DAY_MS, 100),
                           old = entry_of(&scene, 400 * DAY_MS + 1, 100);

    scene_add(&scene, &kept);
    for (int i = 0; i < 3; i++)
        scene_add(&scene, &old);
    CHECK_INT(executions(scene.ledger), 4);
    wr_ledger_free(scene.ledger);
    scene.ledger = scene_open(&scene);
    CHECK_INT(executions(scene.ledger), 1);
    scene_end(&scene);
}

TEST(old_rows_go_while_others_are_added)
{
    struct ledger_scene scene;
    scene_begin(&scene);
    struct wr_ledger_entry old = entry_of(&scene, 401 * DAY_MS, 100),
                           fresh = entry_of(&scene, 0, 100);

    scene_add(&scene, &old);
    for (int i = 0; i < 998; i++)
        scene_add(&scene, &fresh);
    CHECK_INT(executions(scene.ledger), 999);
    scene_add(&scene, &fresh); /* the thousandth */
    CHECK_INT(executions(scene.ledger), 999);
    scene_end(&scene);
}

TEST(a_clock_that_goes_back_loses_nothing)
{
    struct ledger_scene scene;
    scene_begin(&scene);
    struct wr_ledger_entry entry = entry_of(&scene, 0, 100);

    scene_add(&scene, &entry);
    scene.now_ms -= (uint64_t)HOUR_MS - 1; /* still counts: a clock that was set right */
    CHECK_INT(executions(scene.ledger), 1);
    scene.now_ms -= 1; /* too far in the future to be true */
    CHECK_INT(executions(scene.ledger), 0);
    scene.now_ms = 1; /* a machine without a clock: nothing is removed */
    wr_ledger_free(scene.ledger);
    scene.ledger = scene_open(&scene);
    scene.now_ms = SCENE_NOW_MS;
    CHECK_INT(executions(scene.ledger), 1);
    scene_end(&scene);
}

TEST(a_file_that_is_no_ledger_is_refused)
{
    struct wr_error err = {0};
    char path[] = "/tmp/warren-ledger-XXXXXX";
    int fd = mkstemp(path);

    CHECK(fd >= 0 && write(fd, "this is not a database, but long enough to be one", 49) == 49);
    close(fd);
    CHECK(!wr_ledger_open(path, &err));
    CHECK_INT(err.code, WR_E_DATA_LOSS);
    CHECK(unlink(path) == 0);
    CHECK(!wr_ledger_open("/nonexistent/ledger.db", &err));
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    CHECK(!wr_ledger_free(NULL));
}
