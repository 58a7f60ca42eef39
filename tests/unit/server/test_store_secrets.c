#include <fcntl.h>

#include "base/file.h"
#include "base/str.h"
#include "store_fixture.h"
#include "test.h"

static struct wr_store_secret secret_of(const char *team_id, const char *id, const char *name)
{
    struct wr_store_secret secret = {
        .version = 1, .metadata = "{\"a\":\"b\"}", .created_ms = 1000, .updated_ms = 1000};

    CHECK(wr_strcopy(secret.id, sizeof secret.id, id));
    CHECK(wr_strcopy(secret.team_id, sizeof secret.team_id, team_id));
    CHECK(wr_strcopy(secret.name, sizeof secret.name, name));
    return secret;
}

#define NO_TEAM "00000000-0000-4000-8000-000000000000"

struct seen {
    unsigned count;
    char names[256];
    uint64_t version, updated_ms;
    char metadata[64];
};

static void see(const struct wr_store_secret *secret, void *data)
{
    struct seen *seen = data;
    size_t len = strlen(seen->names);

    seen->count++;
    seen->version = secret->version;
    seen->updated_ms = secret->updated_ms;
    CHECK(wr_strformat(seen->names + len, sizeof seen->names - len, "%s ", secret->name));
    CHECK(wr_strcopy(seen->metadata, sizeof seen->metadata, secret->metadata));
}

static void expect_value(struct wr_store *store, const char *team_id, const char *name,
                         const char *expected)
{
    wr_auto_buf out = WR_BUF(WR_SECRET_VALUE_MAX);
    struct wr_error err = {0};

    CHECK_INT(wr_store_secret_value(store, team_id, name, &out, &err), 0);
    CHECK_STR(wr_buf_cstr(&out), expected);
}

TEST(values_and_versions)
{
    struct store_fixture f = store_start();
    struct wr_team team;
    struct seen seen = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    struct wr_store_secret secret = secret_of(team.id, "sec_1", "token");
    CHECK_INT(wr_store_secret_add(f.store, &secret, "first", &err), 0);
    CHECK_INT(wr_store_secret_add(f.store, &secret, "other", &err), -WR_E_ALREADY_EXISTS);
    store_reopen(&f);
    expect_value(f.store, team.id, "token", "first");
    struct wr_store_secret_change change = {
        .team_id = team.id, .id_or_name = "sec_1", .value = "second", .now_ms = 2000};
    CHECK_INT(wr_store_secret_update(f.store, &change, &err), 0);
    CHECK_INT(wr_store_secret_get(f.store, team.id, "token", see, &seen, &err), 0);
    CHECK_INT(seen.version, 2);
    CHECK_INT(seen.updated_ms, 2000);
    CHECK_STR(seen.metadata, "{\"a\":\"b\"}");
    change.id_or_name = "token";
    change.metadata = "{}";
    CHECK_INT(wr_store_secret_update(f.store, &change, &err), 0);
    CHECK_INT(wr_store_secret_get(f.store, team.id, "sec_1", see, &seen, &err), 0);
    CHECK_INT(seen.version, 3);
    CHECK_STR(seen.metadata, "{}");
    expect_value(f.store, team.id, "token", "second");
    store_stop(&f);
}

TEST(what_is_not_there)
{
    struct store_fixture f = store_start();
    struct wr_team team;
    struct seen seen = {0};
    wr_auto_buf out = WR_BUF(64);
    struct wr_error err = {0};
    const struct wr_store_secret_change change = {
        .team_id = NO_TEAM, .id_or_name = "token", .value = "x"};

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    struct wr_store_secret secret = secret_of(team.id, "sec_1", "token");
    CHECK_INT(wr_store_secret_add(f.store, &secret, "first", &err), 0);
    /* Of another team. */
    CHECK_INT(wr_store_secret_get(f.store, NO_TEAM, "token", see, &seen, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_secret_value(f.store, NO_TEAM, "token", &out, &err), -WR_E_NOT_FOUND);
    CHECK(strstr(err.msg, "'token'") && !strstr(err.msg, "first"));
    CHECK_INT(wr_store_secret_update(f.store, &change, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_secret_remove(f.store, NO_TEAM, "token", &err), -WR_E_NOT_FOUND);
    CHECK_INT(seen.count, 0);
    CHECK_INT(wr_store_secret_remove(f.store, team.id, "token", &err), 0);
    CHECK_INT(wr_store_secret_remove(f.store, team.id, "token", &err), -WR_E_NOT_FOUND);
    store_stop(&f);
}

TEST(pages_are_in_the_order_of_names)
{
    static const char *const names[] = {"delta", "alpha", "charlie", "bravo"};
    struct store_fixture f = store_start();
    struct wr_team team;
    struct seen seen = {0};
    char id[16];
    uint64_t count = 0;
    struct wr_error err = {0};

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    for (unsigned i = 0; i < WR_ARRAY_SIZE(names); i++) {
        CHECK(wr_strformat(id, sizeof id, "sec_%u", i));
        struct wr_store_secret secret = secret_of(team.id, id, names[i]);
        CHECK_INT(wr_store_secret_add(f.store, &secret, "v", &err), 0);
    }
    CHECK_INT(wr_store_secret_page(f.store, team.id, "", 2, see, &seen, &err), 0);
    CHECK_STR(seen.names, "alpha bravo ");
    seen = (struct seen){0};
    CHECK_INT(wr_store_secret_page(f.store, team.id, "bravo", 9, see, &seen, &err), 0);
    CHECK_STR(seen.names, "charlie delta ");
    CHECK_INT(wr_store_secret_count(f.store, team.id, &count, &err), 0);
    CHECK_INT(count, 4);
    store_stop(&f);
}

/* Neither in the database nor, once it is written back, in its log. */
TEST(removed_values_leave_the_file)
{
    static const char value[] = "needle-in-the-database-file";
    struct store_fixture f = store_start();
    struct wr_team team;
    wr_auto_buf file = WR_BUF((size_t)4 * 1024 * 1024);
    struct wr_error err = {0};

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    struct wr_store_secret secret = secret_of(team.id, "sec_1", "token");
    CHECK_INT(wr_store_secret_add(f.store, &secret, value, &err), 0);
    store_reopen(&f);
    CHECK_INT(wr_file_read(AT_FDCWD, f.path, &file), 0);
    CHECK(memmem(wr_buf_ptr(&file), file.len, value, sizeof value - 1));
    CHECK_INT(wr_store_secret_remove(f.store, team.id, "token", &err), 0);
    store_reopen(&f);
    wr_buf_clear(&file);
    CHECK_INT(wr_file_read(AT_FDCWD, f.path, &file), 0);
    CHECK(!memmem(wr_buf_ptr(&file), file.len, value, sizeof value - 1));
    store_stop(&f);
}
