/* GET /files against a running agent: encodings, conditions, ranges. */
#include "agent/fs/gzip.h"
#include "live.h"
#include "test.h"

#define BIG ((size_t)64 * 1024 * 1024)

/* A GET with up to two fields. */
static void get(struct live *live, struct reply *reply, const char *target, const char *field,
                const char *second)
{
    const char *const headers[] = {field, field ? second : NULL, NULL};
    live_request(live, reply, "GET", target, headers, NULL, 0);
}

static bool has(const struct reply *reply, const char *line)
{
    return strstr(reply->headers, line) != NULL;
}

static int keep(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    (void)err;
    CHECK_INT(wr_buf_append(data, bytes, len), 0);
    return 0;
}

static void unpack(const struct reply *reply, struct wr_buf *out)
{
    struct wr_gunzip *g = NULL;
    struct wr_error err;
    CHECK_INT(wr_gunzip_new(keep, out, &g, &err), 0);
    CHECK_INT(wr_gunzip_feed(g, wr_buf_ptr(&reply->body), reply->body.len, &err), 0);
    CHECK_INT(wr_gunzip_finish(g, &err), 0);
    g = wr_gunzip_free(g);
}

TEST(packed_on_demand)
{
    auto_live live = {0};
    struct reply reply;
    wr_auto_buf plain = WR_BUF(4096);
    live_start(&live);
    live_run(&live, "printf '0123456789' > a.txt; : > empty", 0, "");

    get(&live, &reply, "/files?path=a.txt", "Accept-Encoding: gzip, deflate", NULL);
    CHECK_INT(reply.status, 200);
    CHECK(has(&reply, "Content-Encoding: gzip\n") && has(&reply, "Vary: Accept-Encoding\n"));
    CHECK(!has(&reply, "Content-Length") && !has(&reply, "Accept-Ranges"));
    unpack(&reply, &plain);
    CHECK_STR(wr_buf_cstr(&plain), "0123456789");
    reply_done(&reply);

    get(&live, &reply, "/files?path=a.txt", "Accept-Encoding: identity", NULL);
    CHECK_INT(reply.status, 200);
    CHECK(has(&reply, "Content-Length: 10\n") && has(&reply, "Vary: Accept-Encoding\n"));
    CHECK(has(&reply, "Accept-Ranges: bytes\n") && !has(&reply, "Content-Encoding"));
    reply_done(&reply);

    get(&live, &reply, "/files?path=a.txt", "Accept-Encoding: identity;q=0, br", NULL);
    CHECK_INT(reply.status, 406);
    reply_done(&reply);
    /* What is missing goes before how it is wanted. */
    get(&live, &reply, "/files?path=missing", "Accept-Encoding: *;q=0", NULL);
    CHECK_INT(reply.status, 404);
    reply_done(&reply);

    wr_buf_clear(&plain);
    get(&live, &reply, "/files?path=empty", "Accept-Encoding: gzip", NULL);
    unpack(&reply, &plain);
    CHECK_INT(plain.len, 0);
    reply_done(&reply);
    get(&live, &reply, "/files?path=/proc/sys/kernel/random/boot_id", "Accept-Encoding: gzip",
        NULL);
    unpack(&reply, &plain);
    CHECK_INT(plain.len, 37);
    reply_done(&reply);
}

TEST(parts_of_a_file)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_run(&live, "printf '0123456789' > a.txt; : > empty", 0, "");

    get(&live, &reply, "/files?path=a.txt", "Range: bytes=2-4", "Accept-Encoding: gzip");
    CHECK_INT(reply.status, 206);
    CHECK(has(&reply, "Content-Range: bytes 2-4/10\n") && has(&reply, "Content-Length: 3\n"));
    CHECK(!has(&reply, "Content-Encoding"));
    CHECK_STR(wr_buf_cstr(&reply.body), "234");
    reply_done(&reply);
    get(&live, &reply, "/files?path=a.txt", "Range: bytes=-3", NULL);
    CHECK_STR(wr_buf_cstr(&reply.body), "789");
    reply_done(&reply);
    get(&live, &reply, "/files?path=a.txt", "Range: bytes=10-", NULL);
    CHECK_INT(reply.status, 416);
    CHECK(has(&reply, "Content-Range: bytes */10\n"));
    CHECK(strstr(wr_buf_cstr(&reply.body), "{\"code\":416,") != NULL);
    reply_done(&reply);
    get(&live, &reply, "/files?path=a.txt", "Range: bytes=0-1,3-4", NULL);
    CHECK_INT(reply.status, 200);
    CHECK_STR(wr_buf_cstr(&reply.body), "0123456789");
    reply_done(&reply);
    get(&live, &reply, "/files?path=a.txt", "Range: bytes=0-1", "Accept-Encoding: gzip, *;q=0");
    CHECK_INT(reply.status, 406);
    reply_done(&reply);
    get(&live, &reply, "/files?path=empty", "Range: bytes=0-", NULL);
    CHECK_INT(reply.status, 200);
    CHECK(has(&reply, "Content-Length: 0\n"));
    reply_done(&reply);
    /* Without a size there are no parts. */
    get(&live, &reply, "/files?path=/proc/sys/kernel/random/boot_id", "Range: bytes=0-1", NULL);
    CHECK_INT(reply.status, 200);
    CHECK_INT(reply.body.len, 37);
    reply_done(&reply);
}

TEST(what_the_client_has_already)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_run(&live, "printf x > a.txt; touch -d '1994-11-06 08:49:37 UTC' a.txt", 0, "");
    get(&live, &reply, "/files?path=a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT",
        NULL);
    CHECK_INT(reply.status, 304);
    CHECK_INT(reply.body.len, 0);
    CHECK(has(&reply, "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\n"));
    CHECK(has(&reply, "Vary: Accept-Encoding\n"));
    reply_done(&reply);
    get(&live, &reply, "/files?path=a.txt", "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
        "Accept-Encoding: gzip");
    CHECK_INT(reply.status, 200);
    CHECK_STR(wr_buf_cstr(&reply.body), "x"); /* plain */
    reply_done(&reply);
    get(&live, &reply, "/files?path=a.txt", "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
        NULL);
    CHECK_INT(reply.status, 412);
    reply_done(&reply);
}

TEST(a_head_has_no_body)
{
    static const char *const gzip[] = {"Accept-Encoding: gzip", NULL};
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_run(&live, "printf '0123456789' > a.txt", 0, "");
    live_request(&live, &reply, "HEAD", "/files?path=a.txt", NULL, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK(has(&reply, "Content-Length: 10\n"));
    CHECK_INT(reply.body.len, 0);
    reply_done(&reply);
    live_request(&live, &reply, "HEAD", "/files?path=a.txt", gzip, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK(has(&reply, "Content-Encoding: gzip\n"));
    CHECK_INT(reply.body.len, 0);
    reply_done(&reply);
}

TEST(big_files_are_packed_in_bounded_memory)
{
    static const char *const gzip[] = {"Accept-Encoding: gzip", NULL};
    static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    char *big = malloc(BIG);
    CHECK(big != NULL);
    for (size_t i = 0; i < BIG; i++) /* hardly gets smaller, so that the reader is the slower one */
        big[i] = (char)((i * 2654435761U) >> 13);
    live_request(&live, &reply, "POST", "/files?path=/mnt/big", octets, big, BIG);
    CHECK_INT(reply.status, 200);
    reply_done(&reply);

    live_send(&live, &reply, "GET", "/files?path=/mnt/big", gzip, NULL, 0);
    wr_http_call_pause(reply.call, true);
    live_idle(&live, 300);
    live_check_rss(&live, 8 * WR_MIB);
    wr_http_call_pause(reply.call, false);
    live_wait_reply(&live, &reply);
    live_check_rss(&live, 8 * WR_MIB);
    wr_auto_buf plain = WR_BUF(2 * BIG);
    unpack(&reply, &plain);
    CHECK_INT(plain.len, BIG);
    CHECK(memcmp(wr_buf_ptr(&plain), big, BIG) == 0);
    reply_done(&reply);
    free(big);
}

TEST(several_packed_downloads_and_other_requests_at_once)
{
    static const char *const gzip[] = {"Accept-Encoding: gzip", NULL};
    enum { COUNT = 4 };
    auto_live live = {0};
    struct reply replies[COUNT], health;
    live_start(&live);
    live_run(&live, "head -c 20000000 /dev/zero > zeros", 0, "");
    for (int i = 0; i < COUNT; i++)
        live_send(&live, &replies[i], "GET", "/files?path=zeros", gzip, NULL, 0);
    live_request(&live, &health, "GET", "/health", NULL, NULL, 0);
    CHECK_INT(health.status, 204);
    reply_done(&health);
    for (int i = 0; i < COUNT; i++) {
        wr_auto_buf plain = WR_BUF(BIG);
        live_wait_reply(&live, &replies[i]);
        unpack(&replies[i], &plain);
        CHECK_INT(plain.len, 20000000);
        reply_done(&replies[i]);
    }
    live_check_rss(&live, 8 * WR_MIB);
}
