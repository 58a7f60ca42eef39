#include "base/str.h"
#include "json/jread.h"
#include "server/settings.h"
#include "server/volume_mounts.h"
#include "store_fixture.h"
#include "test.h"

struct mounts_fixture {
    struct store_fixture store;
    struct wr_team team;
    struct wr_store_volume a, b;
};

static struct wr_store_volume add(struct mounts_fixture *f, const char *team_id, const char *name,
                                  bool removing)
{
    struct wr_store_volume volume = {.size_bytes = WR_GIB, .created_ms = 1, .removing = removing};
    struct wr_error err = {0};

    wr_uuid_new(volume.id);
    CHECK(wr_strcopy(volume.team_id, sizeof volume.team_id, team_id));
    CHECK(wr_strcopy(volume.name, sizeof volume.name, name));
    CHECK_INT(wr_store_volume_add(f->store.store, &volume, &err), 0);
    return volume;
}

/* Volumes a and b, one that is being removed, and one of another team. */
static struct mounts_fixture begin(void)
{
    struct mounts_fixture f = {.store = store_start()};
    struct wr_team other = {.name = "other", .slug = "other"};
    struct wr_error err = {0};

    CHECK_INT(wr_store_default_team(f.store.store, &f.team, &err), 0);
    wr_uuid_new(other.id);
    CHECK_INT(wr_store_team_add(f.store.store, &other, &err), 0);
    f.a = add(&f, f.team.id, "a", false);
    f.b = add(&f, f.team.id, "b", false);
    add(&f, f.team.id, "going", true);
    add(&f, other.id, "theirs", false);
    return f;
}

static int read_text(struct mounts_fixture *f, const char *text, bool lenient,
                     struct wr_volume_mounts *ret, struct wr_buf *problems)
{
    wr_auto_json *array = json_loads(text, 0, NULL);
    struct wr_error err = {0};

    CHECK(array);
    return wr_volume_mounts_read(f->store.store, f->team.id, array, lenient, ret, problems, &err);
}

static void refused(struct mounts_fixture *f, const char *text, const char *problem)
{
    wr_auto_buf problems = WR_BUF(4096);
    struct wr_volume_mounts mounts = {.count = 77};

    CHECK_INT(read_text(f, text, false, &mounts, &problems), -WR_E_INVALID_ARGUMENT);
    CHECK_STR(wr_buf_cstr(&problems), problem);
    CHECK_INT(mounts.count, 77);
}

TEST(volumes_of_the_team_are_mounted)
{
    struct mounts_fixture f = begin();
    struct wr_volume_mounts mounts = {.count = 0};
    wr_auto_buf problems = WR_BUF(4096);

    CHECK_INT(read_text(&f,
                        "[{\"name\":\"b\",\"path\":\"/mnt/b\"},"
                        "{\"name\":\"a\",\"path\":\"/mnt/bb\",\"readOnly\":true},"
                        "{\"name\":\"a\",\"path\":\"/devices/..a\"}]",
                        false, &mounts, &problems),
              0);
    CHECK_INT(mounts.count, 3);
    CHECK_STR(mounts.items[0].volume_id, f.b.id);
    CHECK_STR(mounts.items[0].path, "/mnt/b");
    CHECK_STR(mounts.items[1].volume_id, f.a.id);
    CHECK(!mounts.items[0].read_only && mounts.items[1].read_only);

    wr_auto_json *settings = json_pack("{s:o}", "volumeMounts", wr_volume_mounts_to_json(&mounts));
    CHECK(wr_volume_mounts_have(settings, f.a.id) && wr_volume_mounts_have(settings, f.b.id));
    CHECK(!wr_volume_mounts_have(settings, f.team.id) && !wr_volume_mounts_have(NULL, f.a.id));
    char *text = NULL;
    wr_auto_json *again = NULL;
    struct wr_error err = {0};
    CHECK_INT(wr_settings_write(settings, &text, &err), 0);
    CHECK_INT(wr_settings_read(text, &again, &err), 0);
    CHECK(json_equal(settings, again));
    const json_t *second = json_array_get(json_object_get(again, "volumeMounts"), 1);
    CHECK(json_is_true(json_object_get(second, "readOnly")));
    CHECK(!json_object_get(json_array_get(json_object_get(again, "volumeMounts"), 0), "readOnly"));
    free(text);
    store_stop(&f.store);
}

TEST(every_problem_has_a_line)
{
    struct mounts_fixture f = begin();

    refused(&f,
            "[{\"name\":\"a\",\"path\":\"/x\"},{\"name\":\"none\",\"path\":\"/y\"},"
            "{\"name\":\"a\",\"path\":\"/x\"},{\"name\":\"b\",\"path\":\"\"}]",
            "invalid mounts:\n\t- volume mount #1: volume 'none' not found"
            "\n\t- volume mount #2: path '/x' is already used"
            "\n\t- volume mount #3: path cannot be empty");
    refused(&f, "[{\"name\":\"going\",\"path\":\"/x\"},{\"name\":\"theirs\",\"path\":\"/x\"}]",
            "invalid mounts:\n\t- volume mount #0: volume 'going' not found"
            "\n\t- volume mount #1: volume 'theirs' not found");
    refused(&f, "[7]", "invalid mounts:\n\t- volume mount #0: not an object");
    refused(&f, "[{\"name\":\"a\"}]",
            "invalid mounts:\n\t- volume mount #0: field \"path\" is missing");
    store_stop(&f.store);
}

TEST(paths_are_absolute_and_clean)
{
    static const struct {
        const char *path, *reason;
    } rows[] = {
        {"x", "path must be absolute"},
        {"/", "path must not be the root directory"},
        {"//x", "path must not contain empty components"},
        {"/x/", "path must not contain empty components"},
        {"/x//y", "path must not contain empty components"},
        {"/.", "path must not contain any '.' or '..' components"},
        {"/x/../y", "path must not contain any '.' or '..' components"},
        {"/proc", "path is one of the system's"},
        {"/dev/shm/x", "path is one of the system's"},
        {"/x\\u0001", "path must not contain control characters"},
    };
    struct mounts_fixture f = begin();
    char text[700], expected[200], path[WR_ACTION_VOLUME_PATH + 2] = "/";

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        CHECK(wr_strformat(text, sizeof text, "[{\"name\":\"a\",\"path\":\"%s\"}]", rows[i].path));
        CHECK(wr_strformat(expected, sizeof expected, "invalid mounts:\n\t- volume mount #0: %s",
                           rows[i].reason));
        refused(&f, text, expected);
    }
    memset(path + 1, 'p', WR_ACTION_VOLUME_PATH);
    CHECK(wr_strformat(text, sizeof text, "[{\"name\":\"a\",\"path\":\"%s\"}]", path));
    refused(&f, text, "invalid mounts:\n\t- volume mount #0: path is too long");
    refused(&f, "[{\"name\":\"a\",\"path\":\"/x/y\"},{\"name\":\"b\",\"path\":\"/x\"}]",
            "invalid mounts:\n\t- volume mount #1: path '/x' and path '/x/y' lie in each other");
    store_stop(&f.store);
}

TEST(the_number_is_bounded)
{
    struct mounts_fixture f = begin();
    wr_auto_json *many = json_array();
    wr_auto_buf problems = WR_BUF(4096);
    struct wr_volume_mounts mounts = {.count = 0};
    struct wr_error err = {0};
    char path[16];

    for (int i = 0; i < 5000; i++) {
        if (i == WR_ACTION_MAX_VOLUMES)
            CHECK_INT(wr_volume_mounts_read(f.store.store, f.team.id, many, false, &mounts,
                                            &problems, &err),
                      0);
        CHECK(wr_strformat(path, sizeof path, "/x%d", i));
        json_array_append_new(many, json_pack("{s:s, s:s}", "name", "a", "path", path));
    }
    CHECK_INT(mounts.count, WR_ACTION_MAX_VOLUMES);
    CHECK_INT(
        wr_volume_mounts_read(f.store.store, f.team.id, many, false, &mounts, &problems, &err),
        -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(wr_buf_cstr(&problems), "#8: a sandbox has at most 8") && problems.len < 300);
    store_stop(&f.store);
}

TEST(unknown_members_are_refused_unless_lenient)
{
    struct mounts_fixture f = begin();
    wr_auto_buf problems = WR_BUF(4096);
    struct wr_volume_mounts mounts = {.count = 0};
    static const char text[] = "[{\"name\":\"a\",\"path\":\"/x\",\"color\":1}]";

    CHECK_INT(read_text(&f, text, false, &mounts, &problems), -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(wr_buf_cstr(&problems), "color"));
    CHECK_INT(read_text(&f, text, true, &mounts, &problems), 0);
    store_stop(&f.store);
}
