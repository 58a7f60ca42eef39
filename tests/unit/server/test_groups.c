/* Network groups: who is in which, under which names and addresses. */
#include <jansson.h>

#include "server/egress/groups.h"
#include "test.h"

#define TEAM  "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"
#define A     "aaaaaaaaaaaaaaaaaaaa"
#define B     "bbbbbbbbbbbbbbbbbbbb"
#define C     "cccccccccccccccccccc"

static struct wr_error err;

static int update(struct wr_net_groups *groups, const char *id, const char *team,
                  const char *network)
{
    json_t *json = json_loads(network, 0, NULL);
    struct wr_net_policy *policy = NULL;

    CHECK(json);
    CHECK_INT(wr_net_policy_new(json, true, &policy, &err), 0);
    int r = wr_net_groups_update(groups, id, team, policy, &err);
    wr_net_policy_put(policy);
    json_decref(json);
    return r;
}

static struct wr_net_groups *two_members(void)
{
    struct wr_net_groups *groups = wr_net_groups_new();

    CHECK(groups);
    CHECK_INT(update(groups, A, TEAM, "{\"group\":\"crew\",\"hostname\":\"db\"}"), 0);
    CHECK_INT(update(groups, B, TEAM, "{\"group\":\"crew\"}"), 0);
    return groups;
}

/* The id of who has the address that `name` has for `id`; NULL when there is none. */
static const char *whose(struct wr_net_groups *groups, const char *id, const char *name)
{
    struct wr_ip address = {{0}};
    const char *peer = NULL;

    if (!wr_net_groups_resolve(groups, id, name, &address))
        return NULL;
    CHECK(wr_net_groups_find(groups, id, &address, &peer));
    CHECK(peer);
    return peer;
}

TEST(members_find_each_other_by_id_and_hostname)
{
    struct wr_net_groups *groups = two_members();

    CHECK_STR(whose(groups, B, A ".internal"), A);
    CHECK_STR(whose(groups, B, "db.internal"), A);
    CHECK_STR(whose(groups, B, "DB.Internal."), A);
    CHECK_STR(whose(groups, A, B ".internal"), B);
    CHECK_STR(whose(groups, A, "db.internal"), A);
    for (unsigned i = 0; i < 7; i++) {
        static const char *const wrong[] = {"db",         "internal", ".internal",    "",
                                            "x.internal", "db.other", "x.db.internal"};
        CHECK(!whose(groups, B, wrong[i]));
    }
    CHECK(!whose(groups, C, "db.internal"));
    wr_net_groups_free(groups);
}

TEST(addresses_are_of_the_range_and_mean_nothing_outside_the_group)
{
    struct wr_net_groups *groups = two_members();
    struct wr_ip address = {{0}}, wrong = {{0}};
    const char *peer = "?";
    char text[WR_IP_TEXT];

    CHECK_INT(update(groups, C, TEAM, "{\"group\":\"others\"}"), 0);
    CHECK(wr_net_groups_resolve(groups, A, B ".internal", &address));
    wr_ip_format(&address, text);
    CHECK(strncmp(text, "198.18.", 7) == 0);
    CHECK(wr_net_groups_find(groups, C, &address, &peer));
    CHECK(!peer);
    CHECK(wr_net_groups_find(groups, "dddddddddddddddddddd", &address, &peer));
    CHECK(!peer);
    CHECK(wr_ip_parse("198.19.255.254", &wrong));
    CHECK(wr_net_groups_find(groups, A, &wrong, &peer) && !peer);
    for (unsigned i = 0; i < 4; i++) {
        static const char *const outside[] = {"198.17.255.255", "198.20.0.0", "2001:db8::1", "::"};
        CHECK(wr_ip_parse(outside[i], &wrong));
        CHECK(!wr_net_groups_find(groups, A, &wrong, &peer));
    }
    wr_net_groups_free(groups);
}

TEST(groups_of_two_teams_are_two_groups)
{
    struct wr_net_groups *groups = two_members();

    CHECK_INT(update(groups, C, OTHER, "{\"group\":\"crew\",\"hostname\":\"db\"}"), 0);
    CHECK_STR(whose(groups, C, "db.internal"), C);
    CHECK(!whose(groups, C, A ".internal"));
    CHECK(!whose(groups, A, C ".internal"));
    wr_net_groups_free(groups);
}

TEST(leaving_ends_names_and_addresses)
{
    struct wr_net_groups *groups = two_members();
    struct wr_ip address = {{0}}, next = {{0}};
    const char *peer = NULL;

    CHECK(wr_net_groups_resolve(groups, B, "db.internal", &address));
    CHECK_INT(update(groups, A, TEAM, "{}"), 0);
    CHECK(!whose(groups, B, "db.internal"));
    CHECK(!whose(groups, A, B ".internal"));
    CHECK(wr_net_groups_find(groups, B, &address, &peer) && !peer);
    /* The address is not given to the next one: peers may still have it. */
    CHECK_INT(update(groups, C, TEAM, "{\"group\":\"crew\",\"hostname\":\"db\"}"), 0);
    CHECK(wr_net_groups_resolve(groups, B, "db.internal", &next));
    CHECK(!wr_ip_equal(&address, &next));
    wr_net_groups_leave(groups, C);
    wr_net_groups_leave(groups, C);
    wr_net_groups_leave(groups, B);
    CHECK(!whose(groups, B, B ".internal"));
    wr_net_groups_free(groups);
}

TEST(changes_keep_the_address_within_a_group)
{
    struct wr_net_groups *groups = two_members();
    struct wr_ip before = {{0}}, after = {{0}};

    CHECK(wr_net_groups_resolve(groups, B, "db.internal", &before));
    CHECK_INT(update(groups, A, TEAM, "{\"group\":\"crew\",\"hostname\":\"cache\"}"), 0);
    CHECK(!whose(groups, B, "db.internal"));
    CHECK(wr_net_groups_resolve(groups, B, "cache.internal", &after));
    CHECK(wr_ip_equal(&before, &after));
    CHECK_INT(update(groups, A, TEAM, "{\"group\":\"crew\"}"), 0);
    CHECK(!whose(groups, B, "cache.internal"));
    CHECK_INT(update(groups, A, TEAM, "{\"group\":\"next\"}"), 0);
    CHECK(!whose(groups, B, A ".internal"));
    CHECK_STR(whose(groups, A, A ".internal"), A);
    wr_net_groups_free(groups);
}

TEST(a_hostname_has_one_owner)
{
    struct wr_net_groups *groups = two_members();

    CHECK_INT(update(groups, B, TEAM, "{\"group\":\"crew\",\"hostname\":\"DB\"}"),
              -WR_E_ALREADY_EXISTS);
    CHECK(strstr(err.msg, A) && strstr(err.msg, "crew"));
    /* It is a member as before. */
    CHECK_STR(whose(groups, A, B ".internal"), B);
    CHECK_STR(whose(groups, A, "db.internal"), A);
    CHECK_INT(update(groups, A, TEAM, "{\"group\":\"crew\",\"hostname\":\"db\"}"), 0);
    CHECK_INT(update(groups, C, TEAM, "{\"group\":\"crew\",\"hostname\":\"db\"}"),
              -WR_E_ALREADY_EXISTS);
    CHECK(!whose(groups, A, C ".internal"));
    wr_net_groups_free(groups);
}

TEST(a_group_has_a_limit)
{
    struct wr_net_groups *groups = wr_net_groups_new();
    char id[WR_ID_LEN + 1];

    for (unsigned i = 0; i <= WR_GROUP_MAX_MEMBERS; i++) {
        (void)snprintf(id, sizeof id, "a%019u", i);
        int r = update(groups, id, TEAM, "{\"group\":\"crew\"}");
        CHECK_INT(r, i < WR_GROUP_MAX_MEMBERS ? 0 : -WR_E_RESOURCE_EXHAUSTED);
    }
    CHECK(strstr(err.msg, "full"));
    CHECK(!whose(groups, id, A ".internal"));
    wr_net_groups_free(groups);
}
