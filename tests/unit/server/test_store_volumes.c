/* The rows of volumes. */
#include "base/str.h"
#include "store_fixture.h"
#include "test.h"

static struct wr_store_volume volume_of(const char *team_id, const char *name, uint64_t created_ms)
{
    struct wr_store_volume volume = {.size_bytes = 5 * WR_GIB, .created_ms = created_ms};

    wr_uuid_new(volume.id);
    CHECK(wr_strcopy(volume.team_id, sizeof volume.team_id, team_id));
    CHECK(wr_strcopy(volume.name, sizeof volume.name, name));
    return volume;
}

static bool append_name(const struct wr_store_volume *volume, void *data)
{
    char *text = data;
    size_t len = strlen(text);

    CHECK(wr_strformat(text + len, 64 - len, "%s%s", volume->name, volume->removing ? "!" : "."));
    return !wr_streq(volume->name, "stop");
}

TEST(volumes_have_a_name_in_their_team)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team, other = {.name = "other", .slug = "other"};
    struct wr_store_volume found;
    uint64_t count = 0;

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    wr_uuid_new(other.id);
    CHECK_INT(wr_store_team_add(f.store, &other, &err), 0);
    struct wr_store_volume data = volume_of(team.id, "data", 3),
                           same = volume_of(team.id, "data", 4),
                           foreign = volume_of(other.id, "data", 5),
                           orphan = volume_of("nobody", "data", 6);
    CHECK_INT(wr_store_volume_add(f.store, &data, &err), 0);
    CHECK_INT(wr_store_volume_add(f.store, &same, &err), -WR_E_ALREADY_EXISTS);
    CHECK_STR(err.msg, "Volume with name 'data' already exists");
    CHECK_INT(wr_store_volume_add(f.store, &foreign, &err), 0);
    CHECK_INT(wr_store_volume_add(f.store, &orphan, &err), -WR_E_NOT_FOUND);

    store_reopen(&f);
    CHECK_INT(wr_store_volume_get(f.store, data.id, &found, &err), 0);
    CHECK_STR(found.name, "data");
    CHECK_STR(found.team_id, team.id);
    CHECK(found.size_bytes == 5 * WR_GIB && found.created_ms == 3 && !found.removing);
    CHECK_INT(wr_store_volume_find(f.store, other.id, "data", &found, &err), 0);
    CHECK_STR(found.id, foreign.id);
    CHECK_INT(wr_store_volume_find(f.store, other.id, "Data", &found, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_volume_get(f.store, same.id, &found, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_volume_count(f.store, team.id, &count, &err), 0);
    CHECK_INT(count, 1);
    store_stop(&f);
}

TEST(a_mark_stays_until_the_row_goes)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    char names[64] = "";

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    struct wr_store_volume late = volume_of(team.id, "late", 9),
                           early = volume_of(team.id, "early", 1);
    early.removing = true;
    CHECK_INT(wr_store_volume_add(f.store, &late, &err), 0);
    CHECK_INT(wr_store_volume_add(f.store, &early, &err), 0);
    CHECK_INT(wr_store_volume_each(f.store, team.id, append_name, names, &err), 0);
    CHECK_STR(names, "early!late.");
    CHECK_INT(wr_store_volume_mark(f.store, early.id, false, &err), 0);
    CHECK_INT(wr_store_volume_mark(f.store, late.id, true, &err), 0);
    CHECK_INT(wr_store_volume_mark(f.store, "x", true, &err), -WR_E_NOT_FOUND);
    store_reopen(&f);
    names[0] = '\0';
    CHECK_INT(wr_store_volume_each(f.store, NULL, append_name, names, &err), 0);
    CHECK_STR(names, "early.late!");

    CHECK_INT(wr_store_volume_remove(f.store, late.id, &err), 0);
    CHECK_INT(wr_store_volume_remove(f.store, late.id, &err), 0);
    struct wr_store_volume stop = volume_of(team.id, "stop", 0);
    CHECK_INT(wr_store_volume_add(f.store, &stop, &err), 0);
    names[0] = '\0';
    CHECK_INT(wr_store_volume_each(f.store, NULL, append_name, names, &err), 0);
    CHECK_STR(names, "stop.");
    store_stop(&f);
}
