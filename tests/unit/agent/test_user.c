#include "agent/user.h"
#include "test.h"

static const char passwd[] = "root:x:0:0:root:/root:/bin/bash\n"
                             "# a comment\n"
                             "\n"
                             "broken:x:12\n"
                             "user:x:1000:1001:User,,,:/home/user:/bin/bash\n"
                             "user:x:0:0:second entry:/root:/bin/bash\n"
                             "relative:x:7:7::home:/bin/sh\n"
                             "nohome:x:8:8:::\n"
                             "negative:x:-1:5::/:/bin/sh\n"
                             "all:x:4294967295:5::/:/bin/sh\n"
                             "most:x:4294967294:5::/:/bin/sh\n"
                             "huge:x:99999999999999999999:5::/:/bin/sh\n"
                             "plus:x:+5:5::/:/bin/sh\n"
                             "extra:x:5:5::/:/bin/sh:more\n"
                             "last:x:9:9::/last:/bin/sh";

static bool find(const char *name, struct wr_user *user)
{
    return wr_user_find(passwd, sizeof(passwd) - 1, name, user);
}

TEST(finds_the_first_well_formed_entry)
{
    struct wr_user user;
    CHECK(find("user", &user));
    CHECK_STR(user.name, "user");
    CHECK_STR(user.home, "/home/user");
    CHECK_INT(user.uid, 1000);
    CHECK_INT(user.gid, 1001);
    CHECK_INT(user.group_count, 1);
    CHECK_INT(user.groups[0], 1001);
    CHECK(find("last", &user));
    CHECK_STR(user.home, "/last");
}

TEST(a_home_that_is_not_absolute_becomes_the_root)
{
    struct wr_user user;
    CHECK(find("relative", &user));
    CHECK_STR(user.home, "/");
    CHECK(find("nohome", &user));
    CHECK_STR(user.home, "/");
}

TEST(ids_outside_32_bits_are_refused)
{
    struct wr_user user;
    CHECK(find("most", &user));
    CHECK_INT(user.uid, 4294967294LL);
    CHECK(!find("all", &user));
    CHECK(!find("huge", &user));
    CHECK(!find("negative", &user));
    CHECK(!find("plus", &user));
}

TEST(wrong_field_counts_and_names_are_refused)
{
    struct wr_user user;
    CHECK(!find("broken", &user));
    CHECK(!find("extra", &user));
    CHECK(!find("", &user));
    CHECK(!find("#", &user));
    CHECK(!find("use", &user));
    CHECK(!find("root:x:0:0", &user));
    CHECK(!find("x\nroot", &user));
}

TEST(name_and_home_lengths_are_bounded)
{
    char text[2 * WR_USER_HOME_MAX];
    char name[WR_USER_NAME_MAX + 1] = "";
    struct wr_user user;

    memset(name, 'n', WR_USER_NAME_MAX);
    for (int len = WR_USER_NAME_MAX; len >= WR_USER_NAME_MAX - 1; len--) {
        name[len] = '\0';
        int n = snprintf(text, sizeof(text), "%s:x:1:1::/:/bin/sh\n", name);
        CHECK_INT(wr_user_find(text, (size_t)n, name, &user), len < WR_USER_NAME_MAX);
    }
    char home[WR_USER_HOME_MAX + 1] = "/";
    memset(home + 1, 'h', WR_USER_HOME_MAX - 1);
    for (int len = WR_USER_HOME_MAX; len >= WR_USER_HOME_MAX - 1; len--) {
        home[len] = '\0';
        int n = snprintf(text, sizeof(text), "a:x:1:1::%s:/bin/sh\n", home);
        CHECK_INT(wr_user_find(text, (size_t)n, "a", &user), len < WR_USER_HOME_MAX);
    }
}

TEST(long_lines_and_nul_bytes_are_skipped)
{
    size_t len = WR_USER_LINE_MAX + 64;
    char *text = malloc(len);
    struct wr_user user;

    CHECK(text != NULL);
    for (int over = 0; over <= 1; over++) {
        size_t line = WR_USER_LINE_MAX + (size_t)over;
        memset(text, 'g', line);
        memcpy(text, "a:x:1:1:", 8);
        memcpy(text + line - 11, ":/h:/bin/sh", 11);
        CHECK_INT(wr_user_find(text, line, "a", &user), !over);
    }
    free(text);
    static const char nul[] = "a:x:1:1:\0:/:/bin/sh\nb:x:1:1::/:/bin/sh\n";
    CHECK(!wr_user_find(nul, sizeof(nul) - 1, "a", &user));
    CHECK(wr_user_find(nul, sizeof(nul) - 1, "b", &user));
}

TEST(failure_leaves_the_output_alone)
{
    struct wr_user user = {.uid = 77};
    CHECK(!find("nobody-here", &user));
    CHECK_INT(user.uid, 77);
    CHECK(!wr_user_find(NULL, 0, "root", &user));
}

TEST(groups_of_a_member_without_doubles)
{
    static const char group[] = "root:x:0:\n"
                                "user:x:1001:user\n"
                                "sudo:x:27:other,user\n"
                                "again:x:27:user\n"
                                "prefix:x:28:user2,xuser\n"
                                "bad:x:four:user\n"
                                "short:x:29\n"
                                "long:x:30:user:extra\n"
                                "docker:x:31:,user,\n";
    struct wr_user user;
    CHECK(find("user", &user));
    wr_user_add_groups(group, sizeof(group) - 1, &user);
    CHECK_INT(user.group_count, 3);
    CHECK_INT(user.groups[0], 1001);
    CHECK_INT(user.groups[1], 27);
    CHECK_INT(user.groups[2], 31);
}

TEST(the_number_of_groups_is_bounded)
{
    char text[8192];
    size_t len = 0;
    struct wr_user user;

    for (int i = 0; i < 2 * WR_USER_MAX_GROUPS; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "g%d:x:%d:user\n", i, 5000 + i);
    CHECK(find("user", &user));
    wr_user_add_groups(text, len, &user);
    CHECK_INT(user.group_count, WR_USER_MAX_GROUPS);
}

TEST(names_of_ids)
{
    static const char users[] = "root:x:0:0::/root:/bin/sh\n"
                                "broken:x:7\n"
                                "a:x:7:7:::\n"
                                "b:x:7:7:::\n"
                                ":x:8:8:::\n";
    static const char groups[] = "crew:x:2000:user\nempty:x:2001:\n";
    char name[WR_USER_NAME_MAX] = "untouched";

    CHECK(!wr_user_name_of(users, sizeof(users) - 1, WR_USER_PASSWD_FIELDS, 8, name));
    CHECK(!wr_user_name_of(users, sizeof(users) - 1, WR_USER_PASSWD_FIELDS, 9, name));
    CHECK(!wr_user_name_of("", 0, WR_USER_PASSWD_FIELDS, 0, name));
    CHECK_STR(name, "untouched");
    CHECK(wr_user_name_of(users, sizeof(users) - 1, WR_USER_PASSWD_FIELDS, 7, name));
    CHECK_STR(name, "a");
    CHECK(wr_user_name_of(users, sizeof(users) - 1, WR_USER_PASSWD_FIELDS, 0, name));
    CHECK_STR(name, "root");
    CHECK(wr_user_name_of(groups, sizeof(groups) - 1, WR_USER_GROUP_FIELDS, 2001, name));
    CHECK_STR(name, "empty");
}
