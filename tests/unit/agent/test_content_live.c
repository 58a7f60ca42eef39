/* The content of a volume against a running agent; the volume is a tmpfs of 1 MiB. */
#include "live.h"
#include "test.h"

#define URL(what, path) "/volumecontent/" what "?path=" path

static void ask(struct live *live, struct reply *reply, const char *method, const char *target,
                const char *body)
{
    static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};
    live_request(live, reply, method, target, body ? octets : NULL, body, body ? strlen(body) : 0);
}

/* One request, its status, and a text that is in the answer. */
static void check(struct live *live, const char *method, const char *target, const char *body,
                  int status, const char *text)
{
    struct reply reply;
    ask(live, &reply, method, target, body);
    const char *got = wr_buf_cstr(&reply.body);
    if (reply.status != status || !strstr(got, text))
        wr_test_fail(__FILE__, __LINE__, "%s %s: %d %s", method, target, reply.status, got);
    reply_done(&reply);
}

TEST(directories)
{
    auto_live live = {0};
    live_start(&live);
    check(&live, "GET", URL("path", "/"), NULL, 200, "\"type\":\"directory\"");
    check(&live, "POST", URL("dir", "a/b"), NULL, 404, "\"code\":\"not_found\"");
    check(&live, "POST", URL("dir", "a/b&force=true"), NULL, 201, "\"path\":\"/a/b\"");
    check(&live, "POST", URL("dir", "/a/b"), NULL, 409, "\"code\":\"conflict\"");
    check(&live, "POST", URL("dir", "/a/b&force=true"), NULL, 201, "\"mode\":511");
    check(&live, "POST", URL("dir", "/"), NULL, 409, "conflict");
    check(&live, "POST", URL("dir", "/&force=1"), NULL, 201, "\"path\":\"/\"");
    check(&live, "POST", URL("dir", "m&mode=448&uid=5&gid=6"), NULL, 201,
          "\"mode\":448,\"uid\":5,\"gid\":6");
    live_run(&live, "stat -c '%a %u:%g' " LIVE_SMALL_FS "/m " LIVE_SMALL_FS "/a", 0,
             "700 5:6\n777 1000:1000\n");
    check(&live, "GET", URL("dir", "/"), NULL, 200, "[{\"name\":\"a\",");
    check(&live, "GET", URL("dir", "/&depth=2"), NULL, 200, "\"/a\",");
    check(&live, "GET", URL("dir", "/&depth=2"), NULL, 200, "\"/a/b\",");
    check(&live, "GET", URL("dir", "/&depth=0"), NULL, 400, "depth");
    check(&live, "GET", URL("dir", "/&depth=11"), NULL, 400, "depth");
    check(&live, "GET", URL("dir", "/nowhere"), NULL, 404, "not_found");
    check(&live, "DELETE", URL("path", "/"), NULL, 400, "root");
    check(&live, "DELETE", URL("path", "a"), NULL, 204, "");
    check(&live, "DELETE", URL("path", "a"), NULL, 404, "not_found");
}

TEST(depth_counts_levels)
{
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_run(&live, "mkdir -p " LIVE_SMALL_FS "/1/2/3", 0, "");
    ask(&live, &reply, "GET", URL("dir", "/"), NULL);
    CHECK(!strstr(wr_buf_cstr(&reply.body), "/1/2"));
    reply_done(&reply);
    ask(&live, &reply, "GET", URL("dir", "/&depth=2"), NULL);
    CHECK(strstr(wr_buf_cstr(&reply.body), "\"/1/2\""));
    CHECK(!strstr(wr_buf_cstr(&reply.body), "/1/2/3"));
    reply_done(&reply);
}

TEST(files)
{
    auto_live live = {0};
    live_start(&live);
    check(&live, "GET", URL("file", "f"), NULL, 404, "not_found");
    check(&live, "PUT", URL("file", "f"), "first", 201, "\"size\":5");
    check(&live, "GET", URL("file", "/f"), NULL, 200, "first");
    check(&live, "PUT", URL("file", "f"), "second", 409, "conflict");
    check(&live, "GET", URL("file", "/f"), NULL, 200, "first");
    check(&live, "PUT", URL("file", "f&force=true&mode=384&uid=7"), "second", 201, "\"uid\":7");
    check(&live, "GET", URL("file", "/f"), NULL, 200, "second");
    check(&live, "PUT", URL("file", "no/dir"), "x", 404, "not_found");
    check(&live, "PUT", URL("file", "new/dir/x&force=true"), "x", 201, "/new/dir/x");
    check(&live, "PUT", URL("file", "f/x&force=true"), "x", 400, "invalid_argument");
    check(&live, "PUT", URL("file", "new&force=true"), "x", 400, "directory");
    check(&live, "PUT", URL("file", "/&force=true"), "x", 400, "directory");
    check(&live, "PUT", URL("file", "empty"), "", 201, "\"size\":0");
    check(&live, "GET", URL("file", "new"), NULL, 400, "directory");
    live_run(&live, "stat -c '%a %u:%g' " LIVE_SMALL_FS "/f " LIVE_SMALL_FS "/new/dir/x", 0,
             "600 7:1000\n666 1000:1000\n");
}

TEST(changes)
{
    auto_live live = {0};
    live_start(&live);
    check(&live, "PUT", URL("file", "f"), "x", 201, "");
    check(&live, "PATCH", URL("path", "f"), "{\"mode\":416,\"uid\":3}", 200,
          "\"mode\":416,\"uid\":3,\"gid\":1000");
    check(&live, "PATCH", URL("path", "f"), "{\"mode\":\"rw\"}", 400, "mode");
    check(&live, "PATCH", URL("path", "nowhere"), "{}", 404, "not_found");
    /* Through a link, but not out of the volume. */
    live_run(&live, "cd " LIVE_SMALL_FS "; ln -s f inside; ln -s /etc/passwd outside", 0, "");
    check(&live, "PATCH", URL("path", "inside"), "{\"mode\":420}", 200, "\"type\":\"file\"");
    check(&live, "PATCH", URL("path", "outside"), "{\"mode\":511}", 404, "not_found");
    live_run(&live, "stat -Lc %a /etc/passwd " LIVE_SMALL_FS "/f", 0, "644\n644\n");
}

TEST(links_lead_nowhere_else)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live,
             "cd " LIVE_SMALL_FS "; mkdir d; echo in > d/f; ln -s /etc e; ln -s ../../.. up; "
             "ln -s /d abs; ln -s loop loop; ln -s d/f file",
             0, "");
    check(&live, "GET", URL("file", "e/passwd"), NULL, 404, "not_found");
    check(&live, "GET", URL("file", "up/etc/passwd"), NULL, 404, "not_found");
    check(&live, "GET", URL("file", "up/d/f"), NULL, 200, "in"); /* ".." of the root is the root */
    check(&live, "GET", URL("file", "abs/f"), NULL, 200, "in");
    check(&live, "GET", URL("file", "loop/f"), NULL, 400, "links");
    check(&live, "PUT", URL("file", "e/made&force=true"), "x", 404, "not_found");
    check(&live, "GET", URL("path", "e"), NULL, 200, "\"type\":\"symlink\"");
    check(&live, "GET", URL("path", "e"), NULL, 200, "\"target\":\"/etc\"");
    /* Replaced, not followed. */
    check(&live, "PUT", URL("file", "file&force=true"), "new", 201, "\"type\":\"file\"");
    check(&live, "GET", URL("file", "d/f"), NULL, 200, "in");
    /* The link goes, not what it leads to. */
    check(&live, "DELETE", URL("path", "abs"), NULL, 204, "");
    check(&live, "GET", URL("file", "d/f"), NULL, 200, "in");
    live_run(&live, "test ! -e /etc/made", 0, "");
}

TEST(what_is_no_file_does_not_stop_the_agent)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "cd " LIVE_SMALL_FS "; mkfifo p", 0, "");
    check(&live, "GET", URL("file", "p"), NULL, 400, "not a regular file");
    check(&live, "GET", URL("path", "p"), NULL, 200, "\"type\":\"unknown\"");
    check(&live, "PATCH", URL("path", "p"), "{\"mode\":448}", 200, "\"mode\":448");
    check(&live, "DELETE", URL("path", "p"), NULL, 204, "");
}

TEST(a_full_volume)
{
    auto_live live = {0};
    struct reply reply;
    static char big[2 << 20];
    live_start(&live);
    memset(big, 'x', sizeof(big));
    check(&live, "PUT", URL("file", "f"), "old", 201, "");
    live_request(&live, &reply, "PUT", URL("file", "f&force=true"), NULL, big, sizeof(big));
    CHECK_INT(reply.status, 507);
    CHECK(strstr(wr_buf_cstr(&reply.body), "resource_exhausted"));
    reply_done(&reply);
    /* Nothing of it is left. */
    check(&live, "GET", URL("file", "f"), NULL, 200, "old");
    live_run(&live, "ls -A " LIVE_SMALL_FS, 0, "f\n");
}

TEST(bad_requests)
{
    auto_live live = {0};
    live_start(&live);
    check(&live, "GET", "/volumecontent/path", NULL, 400, "path: it is missing");
    check(&live, "GET", URL("path", ""), NULL, 400, "path: it is missing");
    check(&live, "PUT", URL("file", "x&uid=65536"), "x", 400, "uid");
    check(&live, "PUT", URL("file", "x&mode=0x1"), "x", 400, "mode");
    check(&live, "PUT", URL("file", "x&force=perhaps"), "x", 400, "force");
    check(&live, "GET", URL("colour", "x"), NULL, 404, "not_found");
    check(&live, "PUT", URL("path", "x"), "x", 405, "method_not_allowed");
}

TEST(without_the_token_nothing)
{
    auto_live live = {0};
    live_start_with(&live, "secret");
    check(&live, "GET", URL("path", "/"), NULL, 401, "");
    check(&live, "PUT", URL("file", "x"), "x", 401, "");
}
