/* Files and the small routes against a running agent. */
#include <unistd.h>

#include "live.h"
#include "test.h"

#define BIG ((size_t)64 * 1024 * 1024)

static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};

static void put(struct live *live, const char *target, const void *body, size_t len, int status,
                const char *answer)
{
    struct reply reply;
    live_request(live, &reply, "POST", target, octets, body, len);
    if (answer && !strstr(wr_buf_cstr(&reply.body), answer))
        wr_test_fail(__FILE__, __LINE__, "%s: %d '%s' is not '%s'", target, reply.status,
                     wr_buf_cstr(&reply.body), answer);
    CHECK_INT(reply.status, status);
    reply_done(&reply);
}

static void get(struct live *live, const char *target, int status, const char *body)
{
    struct reply reply;
    live_request(live, &reply, "GET", target, NULL, NULL, 0);
    if (body && !strstr(wr_buf_cstr(&reply.body), body))
        wr_test_fail(__FILE__, __LINE__, "%s: %d '%s' is not '%s'", target, reply.status,
                     wr_buf_cstr(&reply.body), body);
    CHECK_INT(reply.status, status);
    reply_done(&reply);
}

TEST(small_routes)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_request(&live, &reply, "GET", "/health", NULL, NULL, 0);
    CHECK_INT(reply.status, 204);
    CHECK(strstr(reply.headers, "Cache-Control: no-store") != NULL);
    reply_done(&reply);
    get(&live, "/envs", 200,
        "{\"GLOBAL\":\"from the sandbox\",\"E2B_SANDBOX\":\"true\","
        "\"E2B_SANDBOX_ID\":\"aaaaaaaaaaaaaaaaaaaa\",\"E2B_TEMPLATE_ID\":\"base\"}");
    live_run(&live, "echo $GLOBAL $E2B_SANDBOX $E2B_SANDBOX_ID $E2B_TEMPLATE_ID", 0,
             "from the sandbox true aaaaaaaaaaaaaaaaaaaa base\n");
    live_run(&live, "cat /run/e2b/.E2B_SANDBOX_ID; echo; cat /run/e2b/.E2B_TEMPLATE_ID", 0,
             "aaaaaaaaaaaaaaaaaaaa\nbase");
    put(&live, "/init", "{}", 2, 401, "{\"code\":401,"); /* nobody of the clients */
    get(&live, "/nothing", 404, "{\"code\":404,");
    put(&live, "/health", "", 0, 405, "{\"code\":405,");
    get(&live, "/process.Process/List", 405, NULL);
    live_request(&live, &reply, "GET", "/metrics", NULL, NULL, 0);
    json_t *metrics = json_loadb(wr_buf_ptr(&reply.body), reply.body.len, 0, NULL);
    static const char *const fields[] = {"ts",        "cpu_count", "mem_total_mib", "mem_used_mib",
                                         "mem_total", "mem_used",  "mem_cache",     "disk_total"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(fields); i++) {
        if (json_integer_value(json_object_get(metrics, fields[i])) <= 0)
            wr_test_fail(__FILE__, __LINE__, "%s is missing", fields[i]);
    }
    CHECK(json_is_number(json_object_get(metrics, "cpu_used_pct")));
    CHECK(json_is_integer(json_object_get(metrics, "disk_used")));
    json_decref(metrics);
    reply_done(&reply);
}

TEST(upload_and_download)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    put(&live, "/files?path=a.txt", "hello", 5, 200,
        "[{\"path\":\"/mnt/home/a.txt\",\"name\":\"a.txt\",\"type\":\"file\"}]");
    live_run(&live, "stat -c '%U %G %a %s' a.txt", 0, "user user 644 5\n");
    live_request(&live, &reply, "GET", "/files?path=a.txt", NULL, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK_STR(wr_buf_cstr(&reply.body), "hello");
    CHECK(strstr(reply.headers, "Content-Length: 5\n") != NULL);
    CHECK(strstr(reply.headers, "Content-Disposition: inline; filename=a.txt\n") != NULL);
    CHECK(strstr(reply.headers, "Content-Type: text/plain; charset=utf-8\n") != NULL);
    CHECK(strstr(reply.headers, "Last-Modified: ") != NULL);
    reply_done(&reply);
    put(&live, "/files?path=a.txt", "hi", 2, 200, NULL); /* shorter: truncated */
    live_run(&live, "cat a.txt", 0, "hi");
    put(&live, "/files?username=root&path=%2Fmnt%2Froot%20file", "r", 1, 200,
        "\"name\":\"root file\"");
    live_run(&live, "stat -c %U '/mnt/root file'", 0, "root\n");
    put(&live, "/files?path=~/empty", "", 0, 200, NULL);
    live_request(&live, &reply, "GET", "/files?path=empty", NULL, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK(strstr(reply.headers, "Content-Length: 0\n") != NULL);
    reply_done(&reply);
}

TEST(missing_parents_are_made_for_the_user)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "mkdir kept; chmod 700 kept", 0, "");
    put(&live, "/files?path=kept/x/y/z.txt", "1", 1, 200, "/mnt/home/kept/x/y/z.txt");
    live_run(&live, "stat -c '%n %U %a' kept kept/x kept/x/y", 0,
             "kept user 700\nkept/x user 755\nkept/x/y user 755\n");
    put(&live, "/files?path=kept/x/y/z.txt/below", "1", 1, 500, "Not a directory");
}

TEST(refused_uploads)
{
    auto_live live = {0};
    struct reply reply;
    static const char *const json[] = {"Content-Type: application/json", NULL};
    static const char *const brotli[] = {"Content-Type: application/octet-stream",
                                         "Content-Encoding: br", NULL};
    char *big = calloc(1, 8 * WR_MIB);
    CHECK(big != NULL);
    live_start(&live);
    put(&live, "/files", "x", 1, 400, "path query parameter is required for raw body upload");
    put(&live, "/files?path=", "x", 1, 400, "path query parameter is required");
    put(&live, "/files?path=x&username=nobody-here", "x", 1, 401,
        "error looking up user 'nobody-here': user: unknown user nobody-here");
    put(&live, "/files?path=~other/x", "x", 1, 400, "cannot expand user-specific home dir");
    put(&live, "/files?path=/mnt", "x", 1, 400, "path is a directory: /mnt");
    put(&live, "/files?path=/mnt", big, 8 * WR_MIB, 400, "path is a directory: /mnt");
    put(&live, "/files?path=/dev/null", "x", 1, 400, "path is not a regular file");
    live_run(&live, "mkfifo fifo", 0, "");
    put(&live, "/files?path=fifo", "x", 1, 400, "path is not a regular file");
    get(&live, "/files?path=fifo", 400, "is not a regular file");
    live_request(&live, &reply, "POST", "/files?path=x", json, "x", 1);
    CHECK_INT(reply.status, 400);
    CHECK(strstr(wr_buf_cstr(&reply.body),
                 "unsupported content type: application/json, expected multipart/form-data or "
                 "application/octet-stream") != NULL);
    CHECK(strstr(reply.headers, "X-Content-Type-Options: nosniff\n") != NULL);
    reply_done(&reply);
    live_request(&live, &reply, "POST", "/files?path=x", brotli, "x", 1);
    CHECK_INT(reply.status, 400);
    CHECK(strstr(wr_buf_cstr(&reply.body),
                 "error decompressing request body: unsupported Content-Encoding: br") != NULL);
    reply_done(&reply);
    free(big);
}

TEST(refused_downloads)
{
    auto_live live = {0};
    live_start(&live);
    get(&live, "/files?path=missing", 404, "path '/mnt/home/missing' does not exist");
    get(&live, "/files?path=/etc/passwd/x", 404, "does not exist");
    get(&live, "/files?path=/mnt", 400, "path '/mnt' is a directory");
    get(&live, "/files", 400, "is a directory"); /* the home */
    get(&live, "/files?path=/dev/zero", 400, "is not a regular file");
    get(&live, "/files?path=a&username=nobody-here", 401, "unknown user nobody-here");
}

TEST(files_without_a_size_are_read_to_their_end)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_request(&live, &reply, "GET", "/files?path=/proc/sys/kernel/random/boot_id", NULL, NULL,
                 0);
    CHECK_INT(reply.status, 200);
    CHECK_INT(reply.body.len, 37);
    reply_done(&reply);
}

TEST(big_files_go_through_in_bounded_memory)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    char *big = malloc(BIG); /* after the fork: it would count as the agent's */
    CHECK(big != NULL);
    for (size_t i = 0; i < BIG; i++)
        big[i] = (char)((i * 2654435761U) >> 13);
    put(&live, "/files?path=/mnt/big", big, BIG, 200, NULL);
    live_check_rss(&live, 8 * WR_MIB);
    live_request(&live, &reply, "GET", "/files?path=/mnt/big", NULL, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK_INT(reply.body.len, BIG);
    CHECK(memcmp(wr_buf_ptr(&reply.body), big, BIG) == 0);
    live_check_rss(&live, 8 * WR_MIB);
    reply_done(&reply);

    /* A reader that stops does not make the agent read on. */
    live_send(&live, &reply, "GET", "/files?path=/mnt/big", NULL, NULL, 0);
    wr_http_call_pause(reply.call, true);
    live_idle(&live, 300);
    live_check_rss(&live, 8 * WR_MIB);
    get(&live, "/envs", 200, NULL);
    wr_http_call_pause(reply.call, false);
    live_wait_reply(&live, &reply);
    CHECK_INT(reply.body.len, BIG);
    reply_done(&reply);
    free(big);
}

TEST(a_full_disk_is_507)
{
    auto_live live = {0};
    char *body = calloc(1, 2 * WR_MIB);
    CHECK(body != NULL);
    live_start(&live);
    put(&live, "/files?path=" LIVE_SMALL_FS "/a", body, 2 * WR_MIB, 507,
        "attempted to write 2097152 bytes: not enough disk space available");
    put(&live, "/files?path=" LIVE_SMALL_FS "/a", body, WR_MIB / 2, 200, NULL);
    free(body);
}

TEST(a_file_that_shrinks_while_it_is_sent_cuts_the_connection)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_run(&live, "head -c 33554432 /dev/zero > big", 0, "");
    live_send(&live, &reply, "GET", "/files?path=big", NULL, NULL, 0);
    wr_http_call_pause(reply.call, true);
    live_idle(&live, 200);
    live_run(&live, ": > big", 0, "");
    wr_http_call_pause(reply.call, false);
    live_wait_reply(&live, &reply);
    CHECK(reply.failed);
    CHECK(reply.body.len < 33554432);
    reply_done(&reply);
}

TEST(the_log_has_the_output_of_processes)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_run(&live, "echo one; echo 'two \"quoted\"' >&2; printf unfinished", 0, NULL);
    live_request(&live, &reply, "GET", "/logs", NULL, NULL, 0);
    CHECK_INT(reply.status, 200);
    CHECK(strstr(reply.headers, "application/x-ndjson") != NULL);
    const char *text = wr_buf_cstr(&reply.body);
    CHECK(strstr(text, "\"stream\":\"stdout\"") && strstr(text, "\"line\":\"one\"}\n"));
    CHECK(strstr(text, "\"stream\":\"stderr\"") &&
          strstr(text, "\"line\":\"two \\\"quoted\\\"\"}\n"));
    CHECK(strstr(text, "\"line\":\"unfinished\"}\n") != NULL);
    CHECK(strstr(text, "dropped") == NULL);
    reply_done(&reply);

    live_run(&live, "seq 100000", 0, NULL);
    live_request(&live, &reply, "GET", "/logs", NULL, NULL, 0);
    CHECK(strncmp(wr_buf_cstr(&reply.body), "{\"dropped\":", 11) == 0);
    CHECK(strstr(wr_buf_cstr(&reply.body), "\"line\":\"100000\"}\n") != NULL);
    CHECK(strstr(wr_buf_cstr(&reply.body), "\"line\":\"one\"}\n") == NULL);
    reply_done(&reply);
}
