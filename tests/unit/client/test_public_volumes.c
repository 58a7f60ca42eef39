#include "base/str.h"
#include "client/handles.h"
#include "json/value.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/volumes.h"

struct scene {
    struct fake_driver *driver;
    struct wr_client *client;
    struct wr_driver_ops ops; /* a copy, for a server without volumes */
};

static void begin(struct scene *scene)
{
    scene->driver = fake_driver_new();
    scene->client = fake_driver_client(scene->driver);
}

static void end(struct scene *scene)
{
    wr_client_free(scene->client);
    fake_driver_free(scene->driver);
}

TEST(made_listed_and_removed)
{
    struct scene scene;
    struct wr_error err = {0};
    wr_auto_value *named = NULL, *random = NULL, *list = NULL;

    begin(&scene);
    CHECK_INT(wr_volume_create(scene.client, "a_B-1", 0, NULL, &named, &err), 0);
    CHECK_STR(wr_value_string(named, "name"), "a_B-1");
    CHECK_INT(wr_volume_create(scene.client, NULL, 1 << 20, NULL, &random, &err), 0);
    CHECK(wr_starts_with(wr_value_string(random, "name"), "warren-"));
    CHECK_INT(strlen(wr_value_string(random, "name")), 7 + WR_ID_LEN);
    CHECK_INT(fake_driver_volumes(scene.driver), 2);
    CHECK_INT(wr_volume_list(scene.client, NULL, &list, &err), 0);
    CHECK_INT(wr_volume_remove(scene.client, wr_value_string(named, "volumeID"), NULL, &err), 0);
    CHECK_INT(fake_driver_volumes(scene.driver), 1);
    end(&scene);
}

TEST(names_and_ids_that_are_none)
{
    static const char *const names[] = {"", "a b", "../x", "a/b", "\xc3\xa4", "a:b"};
    static const char *const ids[] = {"", "../sandboxes", "a b", "x/y"};
    struct scene scene;
    struct wr_error err = {0};
    struct wr_value *made = NULL;
    char name[130];

    begin(&scene);
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        CHECK_INT(wr_volume_create(scene.client, names[i], 0, NULL, &made, &err),
                  -WR_E_INVALID_ARGUMENT);
    memset(name, 'x', 129);
    name[129] = '\0';
    CHECK_INT(wr_volume_create(scene.client, name, 0, NULL, &made, &err), -WR_E_INVALID_ARGUMENT);
    for (size_t i = 0; i < WR_ARRAY_SIZE(ids); i++)
        CHECK_INT(wr_volume_remove(scene.client, ids[i], NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_volume_remove(scene.client, NULL, NULL, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fake_driver_calls(scene.driver, FAKE_VOLUME), 0);
    end(&scene);
}

TEST(a_server_without_volumes)
{
    struct scene scene;
    struct wr_error err = {0};
    struct wr_value *made = NULL;

    begin(&scene);
    scene.ops = *scene.client->driver.ops;
    scene.ops.volume_create = NULL;
    scene.ops.volume_remove = NULL;
    scene.ops.volume_list = NULL;
    scene.client->driver.ops = &scene.ops;
    CHECK_INT(wr_volume_create(scene.client, NULL, 0, NULL, &made, &err), -WR_E_UNIMPLEMENTED);
    CHECK_INT(wr_volume_remove(scene.client, "0a", NULL, &err), -WR_E_UNIMPLEMENTED);
    CHECK_INT(wr_volume_list(scene.client, NULL, &made, &err), -WR_E_UNIMPLEMENTED);
    end(&scene);
}
