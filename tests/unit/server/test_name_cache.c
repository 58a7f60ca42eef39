/* The cache of names, with a clock of the test's own, and the list of the host's resolvers. */
#include <fcntl.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "dns_fixture.h"
#include "server/egress/name_cache.h"
#include "server/egress/name_servers.h"

static struct wr_name_cache *cache;
static struct wr_name_answer got;

static uint32_t put(const char *name, uint32_t ttl_s, uint64_t now_ms)
{
    struct wr_name_answer answer = {.outcome = WR_RESOLVE_OK, .count = 2, .ttl_s = ttl_s};

    CHECK(wr_ip_parse("192.0.2.1", &answer.addresses[0]));
    CHECK(wr_ip_parse("192.0.2.2", &answer.addresses[1]));
    wr_name_cache_put(cache, name, WR_DNS_A, now_ms, &answer);
    return answer.ttl_s;
}

static bool get(const char *name, uint64_t now_ms)
{
    return wr_name_cache_get(cache, name, WR_DNS_A, now_ms, &got);
}

TEST(times_are_clamped)
{
    cache = wr_name_cache_new(8);
    CHECK_INT(put("zero.test", 0, 1000), WR_RESOLVE_MIN_TTL_S);
    CHECK_INT(put("long.test", UINT32_MAX, 1000), WR_RESOLVE_MAX_TTL_S);
    CHECK_INT(put("some.test", 7, 1000), 7);
    CHECK(get("zero.test", 1999));
    CHECK(!get("zero.test", 2000));
    CHECK(get("long.test", 1000 + WR_RESOLVE_MAX_TTL_S * 1000 - 1));
    CHECK(!get("long.test", 1000 + WR_RESOLVE_MAX_TTL_S * 1000));
    CHECK(get("some.test", 4500));
    CHECK_INT(got.ttl_s, 4); /* what is left, rounded up */
    CHECK_INT(got.count, 2);
    CHECK_INT(got.addresses[1].bytes[15], 2);
    CHECK_INT(wr_name_cache_count(cache), 1); /* the old ones are gone */
    cache = wr_name_cache_free(cache);
}

TEST(the_one_used_longest_ago_makes_room)
{
    char name[16];

    cache = wr_name_cache_new(4);
    for (unsigned i = 0; i < 4; i++) {
        (void)snprintf(name, sizeof name, "n%u.test", i);
        (void)put(name, 100, 0);
    }
    CHECK(get("n0.test", 1));
    (void)put("n4.test", 100, 1);
    CHECK(!get("n1.test", 1));
    CHECK(get("n0.test", 1) && get("n2.test", 1) && get("n3.test", 1) && get("n4.test", 1));
    CHECK_INT(wr_name_cache_count(cache), 4);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "m%u.test", i);
        (void)put(name, 100, 2);
        CHECK(wr_name_cache_count(cache) <= 4);
        CHECK(get(name, 2));
    }
    cache = wr_name_cache_free(cache);
}

TEST(a_newer_answer_replaces)
{
    struct wr_name_answer none = {.outcome = WR_RESOLVE_NO_NAME, .ttl_s = 5};

    cache = wr_name_cache_new(4);
    (void)put("a.test", 100, 0);
    wr_name_cache_put(cache, "a.test", WR_DNS_A, 0, &none);
    CHECK(get("a.test", 1));
    CHECK_INT(got.outcome, WR_RESOLVE_NO_NAME);
    CHECK_INT(got.count, 0);
    CHECK(!wr_name_cache_get(cache, "a.test", WR_DNS_AAAA, 1, &got)); /* another question */
    CHECK_INT(wr_name_cache_count(cache), 1);
    cache = wr_name_cache_free(cache);
}

/* ---- resolvers of the host ---- */

static struct wr_name_servers servers;
static struct wr_error err;

static void check_server(size_t i, const char *address, uint16_t port)
{
    char text[WR_IP_TEXT];

    CHECK(i < servers.count);
    wr_ip_format(&servers.list[i].address, text);
    CHECK_STR(text, address);
    CHECK_INT(servers.list[i].port, port);
}

TEST(servers_of_the_setting)
{
    static const char *const bad[] = {
        "x",
        "1.2.3",
        "1.2.3.4:",
        "1.2.3.4:0",
        "1.2.3.4:65536",
        "1.2.3.4:53x",
        "[::1",
        "[::1]x",
        "[1.2.3.4",
        "::1]",
        ",1.2.3.4",
        "1.2.3.4,,::1",
        "fe80::1%lo",
        "ns.test",
        "1.2.3.4 ",
        "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4",
        "1.2.3.4:5:6",
    };

    CHECK_INT(wr_name_servers_init(&servers, "192.0.2.1,192.0.2.2:5353,[2001:db8::1]:54",
                                   "/nonexistent", &err),
              0);
    CHECK_INT(servers.count, 3);
    check_server(0, "192.0.2.1", 53);
    check_server(1, "192.0.2.2", 5353);
    check_server(2, "2001:db8::1", 54);
    CHECK_INT(wr_name_servers_init(&servers, "2001:db8::2", "/nonexistent", &err), 0);
    check_server(0, "2001:db8::2", 53);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_name_servers_init(&servers, bad[i], "/nonexistent", &err),
                  -WR_E_INVALID_ARGUMENT);
}

static char path[] = "/tmp/warren-resolv-XXXXXX";

static void write_file(const char *text, time_t changed)
{
    const struct timespec times[2] = {{.tv_sec = changed}, {.tv_sec = changed}};

    CHECK_INT(wr_file_replace(AT_FDCWD, path, text, strlen(text), 0600, WR_VOLATILE), 0);
    CHECK_INT(utimensat(AT_FDCWD, path, times, 0), 0);
}

TEST(servers_of_the_file)
{
    int fd = mkstemp(path);

    CHECK(fd >= 0);
    (void)close(fd);
    write_file("# nameserver 192.0.2.9\nsearch corp.test\nnameserver\t192.0.2.1 # x\n"
               "nameserver fe80::1%eth0\nnameserverx 192.0.2.8\nnameserver 2001:db8::1\n"
               "nameserver 192.0.2.3\nnameserver 192.0.2.4",
               1000);
    CHECK_INT(wr_name_servers_init(&servers, NULL, path, &err), 0);
    CHECK_INT(servers.count, 3);
    check_server(0, "192.0.2.1", 53);
    check_server(1, "2001:db8::1", 53);
    check_server(2, "192.0.2.3", 53);

    write_file("nameserver 192.0.2.7", 2000);
    wr_name_servers_refresh(&servers, 500000);
    CHECK_INT(servers.count, 1);
    check_server(0, "192.0.2.7", 53);
    write_file("nameserver 192.0.2.8", 3000);
    wr_name_servers_refresh(&servers, 500999); /* looked a moment ago */
    check_server(0, "192.0.2.7", 53);
    wr_name_servers_refresh(&servers, 501000);
    check_server(0, "192.0.2.8", 53);
    CHECK_INT(unlink(path), 0); /* is being replaced: what was read stays */
    wr_name_servers_refresh(&servers, 503000);
    check_server(0, "192.0.2.8", 53);
    write_file("search nothing", 4000);
    wr_name_servers_refresh(&servers, 505000);
    check_server(0, "127.0.0.1", 53);
    CHECK_INT(unlink(path), 0);
}
