/* What the public functions about pausing and snapshots check (public_pause.c, public_snapshot.c).
 */
#include "base/base.h"
#include "client/handles.h"
#include "json/value.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/snapshot.h"

struct scene {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_sandbox *sandbox;
    struct wr_error err;
};

static void begin(struct scene *scene)
{
    *scene = (struct scene){.driver = fake_driver_new()};
    scene->client = fake_driver_client(scene->driver);
    CHECK_INT(wr_sandbox_create(scene->client, NULL, NULL, &scene->sandbox, &scene->err), 0);
}

static void end(struct scene *scene)
{
    wr_sandbox_free(scene->sandbox);
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

TEST(paused_by_handle_and_by_id)
{
    struct scene scene;
    wr_auto_value *level = NULL;

    begin(&scene);
    const char *id = wr_sandbox_id(scene.sandbox);
    CHECK_INT(wr_sandbox_pause(scene.sandbox, WR_OPTS(wr_pause_opts, .level = WR_SANDBOX_PAGED),
                               NULL, &level, &scene.err),
              0);
    CHECK_STR(wr_value_string(level, "level"), "paged");
    CHECK(fake_driver_is_paused(scene.driver, id));
    CHECK_INT(wr_sandbox_resume(scene.sandbox, NULL, NULL, &scene.err), 0);
    CHECK(!fake_driver_is_paused(scene.driver, id));
    CHECK_INT(wr_sandbox_pause_id(scene.client, id, NULL, NULL, NULL, &scene.err), 0);
    CHECK(fake_driver_is_paused(scene.driver, id));
    end(&scene);
}

TEST(what_is_no_level_or_no_option_is_refused)
{
    const struct wr_pause_opts bad[] = {
        {.struct_size = sizeof(struct wr_pause_opts), .level = (enum wr_sandbox_level)4},
        {.struct_size = sizeof(struct wr_pause_opts), .level = (enum wr_sandbox_level)1000},
        {.struct_size = 0},
    };
    struct scene scene;

    begin(&scene);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_sandbox_pause(scene.sandbox, &bad[i], NULL, NULL, &scene.err),
                  -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_PAUSE), 0);
    CHECK_INT(wr_sandbox_pause(NULL, NULL, NULL, NULL, &scene.err), -WR_E_INVALID_ARGUMENT);
    end(&scene);
}

TEST(fewer_forks_than_asked_for)
{
    struct wr_sandbox *forks[4] = {0};
    struct scene scene;
    size_t made = 0;

    begin(&scene);
    fake_driver_max_alive(scene.driver, 3);
    CHECK_INT(wr_sandbox_fork(scene.sandbox, WR_OPTS(wr_fork_opts, .count = 4), NULL, forks, &made,
                              &scene.err),
              0);
    CHECK_INT(made, 2);
    CHECK(forks[1] != NULL && forks[2] == NULL);
    CHECK_INT(scene.err.code, WR_E_RESOURCE_EXHAUSTED);
    CHECK(wr_sandbox_client(forks[0]) == scene.client);
    made = 9;
    CHECK_INT(wr_sandbox_fork(scene.sandbox, NULL, NULL, &forks[2], &made, &scene.err),
              -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(made, 9);
    CHECK(forks[2] == NULL);
    wr_sandbox_free(forks[0]);
    wr_sandbox_free(forks[1]);
    end(&scene);
}

TEST(snapshots_are_made_and_deleted)
{
    struct scene scene;
    wr_auto_value *made = NULL, *list = NULL, *tree = NULL;

    begin(&scene);
    CHECK_INT(wr_snapshot_create(scene.sandbox, WR_OPTS(wr_snapshot_opts, .name = "n:t"), NULL,
                                 &made, &scene.err),
              0);
    CHECK_INT(fake_driver_snapshots(scene.driver), 1);
    const char *id = wr_value_string(made, "snapshotID");
    CHECK_INT(wr_snapshot_list(scene.client, NULL, NULL, &list, &scene.err), 0);
    CHECK_INT(wr_snapshot_tree(scene.client, id, NULL, &tree, &scene.err), 0);
    CHECK_INT(wr_sandbox_rollback(scene.sandbox, id, 0, NULL, &scene.err), 0);
    CHECK_INT(wr_snapshot_delete(scene.client, id, NULL, &scene.err), 0);
    CHECK_INT(fake_driver_snapshots(scene.driver), 0);
    end(&scene);
}

TEST(names_and_ids_that_are_none)
{
    struct wr_value *untouched = NULL;
    struct scene scene;

    begin(&scene);
    CHECK_INT(wr_snapshot_create(scene.sandbox, WR_OPTS(wr_snapshot_opts, .name = "a b"), NULL,
                                 &untouched, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_snapshot_list(scene.client, WR_OPTS(wr_snapshot_list_opts, .sandbox_id = "A/B"),
                               NULL, &untouched, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_snapshot_tree(scene.client, "", NULL, &untouched, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_snapshot_delete(scene.client, NULL, NULL, &scene.err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_sandbox_rollback(scene.sandbox, "a?b", 0, NULL, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_SNAPSHOT), 0);
    CHECK(untouched == NULL);
    end(&scene);
}
