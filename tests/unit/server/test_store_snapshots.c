/* The rows of snapshots. */
#include "base/str.h"
#include "store_fixture.h"
#include "test.h"

#define TEMPLATE "tttttttttttttttttttt"

static struct wr_store_snapshot snapshot_of(const struct wr_team *team, unsigned number,
                                            const char *name, const char *tag)
{
    struct wr_store_snapshot snapshot = {.created_ms = number, .memory = true, .secure = true};

    store_id(number, snapshot.id);
    memcpy(snapshot.team_id, team->id, sizeof snapshot.team_id);
    memcpy(snapshot.template_id, TEMPLATE, sizeof snapshot.template_id);
    CHECK(wr_strcopy(snapshot.name, sizeof snapshot.name, name));
    CHECK(wr_strcopy(snapshot.tag, sizeof snapshot.tag, tag));
    CHECK(wr_strcopy(snapshot.template_name, sizeof snapshot.template_name, "base"));
    store_id(900, snapshot.sandbox_id);
    memset(snapshot.control_token, 'c', WR_TOKEN_LEN);
    return snapshot;
}

static const struct wr_store_snapshot_origin origin = {.settings = "{\"a\":1}",
                                                       .env = "{\"E\":\"v\"}"};

/* Adds and finishes it; `replaced` gets who had the tag. */
static void make(struct store_fixture *f, const struct wr_store_snapshot *snapshot,
                 char replaced[static WR_ID_LEN + 1])
{
    struct wr_error err = {0};

    CHECK_INT(wr_store_snapshot_add(f->store, snapshot, &origin, &err), 0);
    const struct wr_store_snapshot_result result = {
        .id = snapshot->id, .memory = true, .bytes = 77, .created_ms = snapshot->created_ms};
    CHECK_INT(wr_store_snapshot_finish(f->store, &result, replaced, &err), 0);
}

/* "<last two characters of the id>," */
static bool append(const struct wr_store_snapshot *snapshot, void *data)
{
    char *text = data;
    size_t len = strlen(text);

    CHECK(wr_strformat(text + len, 64 - len, "%s,", snapshot->id + WR_ID_LEN - 2));
    return true;
}

static const char *page(struct store_fixture *f, const struct wr_store_snapshot_query *query)
{
    static char text[64];
    struct wr_error err = {0};

    text[0] = '\0';
    CHECK_INT(wr_store_snapshot_page(f->store, query, append, text, &err), 0);
    return text;
}

static const char *family(struct store_fixture *f, unsigned number)
{
    static char text[64];
    char id[21];
    struct wr_error err = {0};

    text[0] = '\0';
    store_id(number, id);
    CHECK_INT(wr_store_snapshot_family(f->store, id, 100, append, text, &err), 0);
    return text;
}

static void check_origin(const struct wr_store_snapshot_origin *seen, void *data)
{
    *(bool *)data = wr_streq(seen->settings, origin.settings) && wr_streq(seen->env, origin.env);
}

TEST(nobody_finds_one_that_is_being_made)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    struct wr_store_snapshot found;
    char replaced[21];
    uint64_t count = 0, bytes = 0;
    bool same = false;

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    struct wr_store_snapshot one = snapshot_of(&team, 1, "work", "v1");
    CHECK_INT(wr_store_snapshot_add(f.store, &one, &origin, &err), 0);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, "work", "v1", &found, &err),
              -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_snapshot_get(f.store, one.id, &found, &err), 0);
    CHECK_INT(found.state, WR_SNAPSHOT_MAKING);
    CHECK_INT(wr_store_snapshot_count(f.store, team.id, &count, &bytes, &err), 0);
    CHECK_INT(count, 1);
    const struct wr_store_snapshot_result result = {
        .id = one.id, .memory = false, .bytes = 5, .created_ms = 12};
    CHECK_INT(wr_store_snapshot_finish(f.store, &result, replaced, &err), 0);
    CHECK_STR(replaced, "");
    CHECK_INT(wr_store_snapshot_finish(f.store, &result, replaced, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_snapshot_count(f.store, team.id, &count, &bytes, &err), 0);
    CHECK_INT(bytes, 5);

    store_reopen(&f);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, "work", "v1", &found, &err), 0);
    char ref[WR_SNAPSHOT_REF_MAX];
    CHECK(wr_strformat(ref, sizeof ref, "%s/work:v1", team.slug));
    CHECK_STR(found.ref, ref);
    CHECK(found.bytes == 5 && found.created_ms == 12 && !found.memory && found.secure);
    CHECK_STR(found.control_token, one.control_token);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, TEMPLATE, "v1", &found, &err), 0);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, "work", "", &found, &err), 0);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, "work", "v2", &found, &err),
              -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_snapshot_find(f.store, "other", "work", "v1", &found, &err),
              -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_snapshot_origin(f.store, one.id, check_origin, &same, &err), 0);
    CHECK(same);
    store_stop(&f);
}

TEST(a_tag_moves_to_the_newest)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    struct wr_store_snapshot found;
    char replaced[21], text[64] = "";

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    struct wr_store_snapshot first = snapshot_of(&team, 1, "work", "default"),
                             tagged = snapshot_of(&team, 2, "work", "v2"),
                             second = snapshot_of(&team, 3, "work", "default");
    make(&f, &first, replaced);
    make(&f, &tagged, replaced);
    CHECK_STR(replaced, "");
    make(&f, &second, replaced);
    CHECK_STR(replaced, first.id);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, "work", "default", &found, &err), 0);
    CHECK_STR(found.id, second.id);
    CHECK_INT(wr_store_snapshot_find(f.store, team.id, "work", "", &found, &err), 0);
    CHECK_STR(found.id, second.id);
    CHECK_INT(wr_store_snapshot_get(f.store, first.id, &found, &err), 0);
    CHECK_INT(found.state, WR_SNAPSHOT_REMOVING);
    CHECK_INT(wr_store_snapshot_each(f.store, WR_SNAPSHOT_REMOVING, append, text, &err), 0);
    CHECK_STR(text, "01,");
    store_stop(&f);
}

TEST(pages_begin_with_the_newest)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    char replaced[21], tag[8];
    struct wr_store_snapshot_query query = {.team_id = "",
                                            .sandbox_id = "",
                                            .name_or_id = "",
                                            .tag = "",
                                            .before_ms = UINT64_MAX,
                                            .before_id = "",
                                            .limit = 2};

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    for (unsigned i = 1; i <= 4; i++) {
        CHECK(wr_strformat(tag, sizeof tag, "t%u", i));
        struct wr_store_snapshot one = snapshot_of(&team, i, i < 3 ? "a" : "b", tag);
        one.created_ms = i < 3 ? 10 : 20;
        make(&f, &one, replaced);
    }
    CHECK_STR(page(&f, &query), "04,03,");
    char last[21];
    store_id(3, last);
    query.before_ms = 20;
    query.before_id = last;
    CHECK_STR(page(&f, &query), "02,01,");
    query.before_ms = UINT64_MAX;
    query.name_or_id = "a";
    CHECK_STR(page(&f, &query), "02,01,");
    query.tag = "t1";
    CHECK_STR(page(&f, &query), "01,");
    query.tag = query.name_or_id = "";
    query.team_id = "other";
    CHECK_STR(page(&f, &query), "");
    query.team_id = team.id;
    query.sandbox_id = "x";
    CHECK_STR(page(&f, &query), "");
    store_stop(&f);
}

/*  1 - 2 - 4
 *    \ 3        and 5 */
TEST(a_family_stays_one_when_a_member_goes)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    struct wr_store_snapshot found;
    static const unsigned parents[] = {0, 0, 1, 1, 2, 0};
    char replaced[21], tag[8], sandbox[21], id[21];

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    for (unsigned i = 1; i <= 5; i++) {
        CHECK(wr_strformat(tag, sizeof tag, "t%u", i));
        struct wr_store_snapshot one = snapshot_of(&team, i, "", tag);
        if (parents[i])
            store_id(parents[i], one.parent_id);
        make(&f, &one, replaced);
    }
    CHECK_STR(family(&f, 4), "01,02,03,04,");
    CHECK_STR(family(&f, 1), "01,02,03,04,");
    CHECK_STR(family(&f, 5), "05,");
    CHECK_STR(family(&f, 9), "");
    store_id(4, id);
    CHECK_INT(wr_store_snapshot_get(f.store, id, &found, &err), 0);
    CHECK_STR(found.ref, TEMPLATE ":t4");
    CHECK_STR(found.parent_ref, TEMPLATE ":t2");
    CHECK_STR(found.full_name, "");

    store_id(901, sandbox);
    store_id(2, id);
    CHECK_INT(store_add_sandbox(f.store, sandbox, &err), 0);
    CHECK_INT(wr_store_sandbox_set_parent(f.store, sandbox, id, &err), 0);
    CHECK_INT(wr_store_sandbox_set_parent(f.store, "nobody", id, &err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_store_snapshot_remove(f.store, id, &err), 0);
    CHECK_INT(wr_store_snapshot_remove(f.store, id, &err), 0);
    CHECK_STR(family(&f, 4), "01,03,04,");
    CHECK_INT(store_number(&f, "SELECT count(*) FROM sandboxes AS a JOIN snapshots AS s "
                               "ON s.id = a.parent_snapshot WHERE s.tag = 't1'"),
              1);
    store_id(1, id);
    CHECK_INT(wr_store_snapshot_remove(f.store, id, &err), 0);
    CHECK_INT(store_number(&f, "SELECT count(*) FROM sandboxes WHERE parent_snapshot = ''"), 1);
    CHECK_STR(family(&f, 3), "03,");
    store_stop(&f);
}

TEST(the_last_snapshot_is_where_the_sandbox_goes_on_from)
{
    struct store_fixture f = store_start();
    struct wr_error err = {0};
    struct wr_team team;
    char replaced[21], sandbox[21];

    CHECK_INT(wr_store_default_team(f.store, &team, &err), 0);
    store_id(900, sandbox);
    CHECK_INT(store_add_sandbox(f.store, sandbox, &err), 0);
    struct wr_store_snapshot one = snapshot_of(&team, 1, "", "default");
    make(&f, &one, replaced);
    CHECK_INT(store_number(&f, "SELECT count(*) FROM sandboxes AS a JOIN snapshots AS s "
                               "ON s.id = a.parent_snapshot"),
              1);
    store_stop(&f);
}
