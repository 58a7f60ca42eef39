#include "primitives/cache/redis_url.h"
#include "test.h"

static struct wr_redis_target parse(const char *url)
{
    struct wr_redis_target target = {0};
    struct wr_error err = {0};
    if (wr_redis_url_parse(url, &target, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", url, err.msg);
    return target;
}

static void check_host(const char *url, const char *host, unsigned port, unsigned db)
{
    struct wr_redis_target target = parse(url);
    CHECK_STR(target.host, host);
    CHECK_INT(target.port, port);
    CHECK_INT(target.db, db);
    CHECK_STR(target.path, "");
}

TEST(hosts_ports_and_databases)
{
    check_host("redis://localhost", "localhost", 6379, 0);
    check_host("redis://localhost/", "localhost", 6379, 0);
    check_host("redis://10.0.0.1:6380/15", "10.0.0.1", 6380, 15);
    check_host("redis://[::1]:7000/2", "::1", 7000, 2);
    check_host("redis://[::1]", "::1", 6379, 0);
    check_host("redis://h:65535/65535", "h", 65535, 65535);
}

TEST(users_and_passwords)
{
    struct wr_redis_target target = parse("redis://ann:s%40crt%3a%2F@h/1");
    CHECK_STR(target.user, "ann");
    CHECK_STR(target.password, "s@crt:/");
    target = parse("redis://:only@h");
    CHECK_STR(target.user, "");
    CHECK_STR(target.password, "only");
    target = parse("redis://a:b@c@h");
    CHECK_STR(target.password, "b@c");
    CHECK_STR(target.host, "h");
}

TEST(sockets)
{
    struct wr_redis_target target = parse("unix:///run/redis/redis.sock");
    CHECK_STR(target.path, "/run/redis/redis.sock");
    CHECK_STR(target.host, "");
    CHECK_INT(target.db, 0);
    target = parse("unix://:pw@/a%20b?db=3");
    CHECK_STR(target.path, "/a b");
    CHECK_STR(target.password, "pw");
    CHECK_INT(target.db, 3);
}

TEST(what_is_wrong_is_refused_without_telling_the_password)
{
    static const char *const bad[] = {
        "",
        "localhost",
        "rediss://h",
        "http://h",
        "redis://",
        "redis://:6379",
        "redis://h:0",
        "redis://h:65536",
        "redis://h:x",
        "redis://h:",
        "redis://h/x",
        "redis://h/-1",
        "redis://h/65536",
        "redis://[::1",
        "redis://[::1]x",
        "redis://hunter2@h",
        "redis://user:@h",
        "redis://u:hunter2%4@h",
        "redis://u:hunter2%zz@h",
        "redis://u:hunter2%00@h",
        "redis://u:hunter2@",
        "unix://",
        "unix://relative",
        "unix:///x?y=1",
        "unix:///x?db=",
        "unix:///x?db=a",
        "unix:///12345678901234567890123456789012345678901234567890123456789012345678901234567890"
        "1234567890123456789012345678",
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wr_redis_target target = {.port = 7};
        struct wr_error err = {0};
        int r = wr_redis_url_parse(bad[i], &target, &err);
        if (strcmp(bad[i], "unix:///x?db=") == 0) {
            CHECK_INT(r, 0);
            continue;
        }
        if (r != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "%s is accepted", bad[i]);
        CHECK_INT(target.port, 7);
        CHECK(!strstr(err.msg, "hunter2"));
    }
}

TEST(lengths_have_both_sides)
{
    char url[1200];
    struct wr_redis_target target = {0};
    struct wr_error err = {0};
    (void)snprintf(url, sizeof url, "redis://:%0255d@h", 0);
    CHECK_INT(wr_redis_url_parse(url, &target, &err), 0);
    (void)snprintf(url, sizeof url, "redis://:%0256d@h", 0);
    CHECK_INT(wr_redis_url_parse(url, &target, &err), -WR_E_INVALID_ARGUMENT);
    (void)snprintf(url, sizeof url, "unix:///%0106d", 0);
    CHECK_INT(wr_redis_url_parse(url, &target, &err), 0);
    (void)snprintf(url, sizeof url, "unix:///%0107d", 0);
    CHECK_INT(wr_redis_url_parse(url, &target, &err), -WR_E_INVALID_ARGUMENT);
}
