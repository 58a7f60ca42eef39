/* POST /files and /files/compose against a running agent. */
#include <sys/inotify.h>

#include "agent/fs/gzip.h"
#include "agent/fs/upload.h"
#include "live.h"
#include "test.h"

#define FILE_PART(params)                                         \
    "--b\r\nContent-Disposition: form-data; name=\"file\"" params \
    "\r\nContent-Type: application/octet-stream\r\n\r\n"
#define END "\r\n--b--\r\n"

static const char *const form[] = {"Content-Type: multipart/form-data; boundary=b", NULL};
static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};

static void post(struct live *live, const char *target, const char *const *headers,
                 const void *body, size_t len, int status, const char *answer)
{
    struct reply reply;
    live_request(live, &reply, "POST", target, headers, body, len);
    if (reply.status != status || (answer && !strstr(wr_buf_cstr(&reply.body), answer)))
        wr_test_fail(__FILE__, __LINE__, "%s: %d '%s' is not '%s'", target, reply.status,
                     wr_buf_cstr(&reply.body), answer);
    reply_done(&reply);
}

#define POST(target, body, status, answer) \
    post(&live, target, form, body, sizeof(body) - 1, status, answer)

TEST(several_files_at_once)
{
    auto_live live = {0};
    live_start(&live);
    POST(
        "/files",
        FILE_PART(
            "; filename=\"one.txt\"") "1\r\n"
                                      "--b\r\nContent-Disposition: form-data; name=\"comment\"\r\n\r\nskipped\r\n" FILE_PART(
                                          "; filename=\"sub/dir/two\"") "\r\n" FILE_PART("; filename=\"/mnt/three\"") "333" END,
        200,
        "[{\"path\":\"/mnt/home/one.txt\",\"name\":\"one.txt\",\"type\":\"file\"},"
        "{\"path\":\"/mnt/home/sub/dir/two\",\"name\":\"two\",\"type\":\"file\"},"
        "{\"path\":\"/mnt/three\",\"name\":\"three\",\"type\":\"file\"}]");
    live_run(&live, "cat one.txt; stat -c '%U %a %s' sub sub/dir/two /mnt/three; ls", 0, NULL);
    live_run(&live, "cat one.txt sub/dir/two /mnt/three; ls; stat -c '%U %a' sub/dir /mnt/three", 0,
             "1333one.txt\nsub\nuser 755\nuser 644\n");
    POST("/files", "--b--\r\n", 200, "[]");
}

TEST(the_path_of_the_query_goes_before_the_name)
{
    auto_live live = {0};
    live_start(&live);
    POST("/files?path=here", FILE_PART("; filename=\"there\"") "1" END, 200, "/mnt/home/here");
    POST("/files?path=bare", FILE_PART("") "2" END, 200, "/mnt/home/bare");
    POST("/files", FILE_PART("") "2" END, 400, "no filename");
    live_run(&live, "ls; cat here bare", 0, "bare\nhere\n12");
    POST("/files?path=twice", FILE_PART("; filename=a") "1\r\n" FILE_PART("; filename=b") "2" END,
         400,
         "you cannot upload multiple files to the same path '/mnt/home/twice' in one upload "
         "request, only the first specified file was uploaded");
    live_run(&live, "cat twice", 0, "1");
    POST("/files", FILE_PART("; filename=x") "1\r\n" FILE_PART("; filename=\"./x\"") "2" END, 400,
         "to the same path '/mnt/home/x'");
    POST("/files?username=root", FILE_PART("; filename=\"/mnt/by root\"") "1" END, 200, NULL);
    live_run(&live, "stat -c %U '/mnt/by root'", 0, "root\n");
}

TEST(a_form_has_a_limit_of_files)
{
    const int count = WR_UPLOAD_MAX_FILES + 1;
    wr_auto_buf body = WR_BUF(16 * WR_MIB);
    auto_live live = {0};
    live_start(&live);
    for (int i = 0; i < count; i++)
        CHECK_INT(wr_buf_printf(&body,
                                "--b\r\nContent-Disposition: form-data; name=file; "
                                "filename=\"/mnt/many/%d\"\r\n\r\n\r\n",
                                i),
                  0);
    CHECK_INT(wr_buf_append_str(&body, "--b--"), 0);
    post(&live, "/files", form, wr_buf_ptr(&body), body.len, 400, "more than 16384 files");
    live_run(&live, "ls /mnt/many | wc -l", 0, "16384\n");
    live_check_rss(&live, 8 * WR_MIB);
}

TEST(refused_forms)
{
    static const char *const no_boundary[] = {"Content-Type: multipart/form-data", NULL};
    auto_live live = {0};
    live_start(&live);
    POST("/files", FILE_PART("; filename=cut") "1", 400, "unexpected end");
    POST("/files", "x", 400, "unexpected end");
    POST("/files", FILE_PART("; filename=\"/mnt\"") "1" END, 400, "path is a directory: /mnt");
    POST("/files", FILE_PART("; filename=\"~other/x\"") "1" END, 400,
         "cannot expand user-specific home dir");
    POST("/files", FILE_PART("; filename=\"/etc/passwd/x\"") "1" END, 500, "Not a directory");
    post(&live, "/files", no_boundary, "x", 1, 400, "boundary");
}

static void pack_sink(const char *bytes, size_t len, void *data)
{
    CHECK_INT(wr_buf_append(data, bytes, len), 0);
}

static void pack(struct wr_buf *out, const char *bytes, size_t len)
{
    struct wr_gzip *g = wr_gzip_new(pack_sink, out);
    CHECK(g != NULL);
    wr_gzip_feed(g, bytes, len, true);
    g = wr_gzip_free(g);
}

TEST(packed_bodies)
{
    static const char *const packed_form[] = {"Content-Type: multipart/form-data; boundary=b",
                                              "Content-Encoding: gzip", NULL};
    static const char *const packed_octets[] = {"Content-Type: application/octet-stream",
                                                "Content-Encoding: gzip", NULL};
    static const char *const plain[] = {"Content-Type: application/octet-stream",
                                        "Content-Encoding: identity", NULL};
    static const char body[] = FILE_PART("; filename=form") "from a form" END;
    wr_auto_buf gz = WR_BUF(4096);
    auto_live live = {0};
    live_start(&live);
    pack(&gz, "hello", 5);
    post(&live, "/files?path=raw", packed_octets, wr_buf_ptr(&gz), gz.len, 200, "/mnt/home/raw");
    post(&live, "/files?path=cut", packed_octets, wr_buf_ptr(&gz), gz.len - 1, 400,
         "error decompressing request body");
    CHECK_INT(wr_buf_append(&gz, "x", 1), 0);
    post(&live, "/files?path=more", packed_octets, wr_buf_ptr(&gz), gz.len, 400,
         "error decompressing request body");
    post(&live, "/files?path=none", packed_octets, "hello", 5, 400,
         "error decompressing request body");
    post(&live, "/files?path=empty", packed_octets, "", 0, 400, "error decompressing request body");
    post(&live, "/files?path=plain", plain, "hello", 5, 200, NULL);
    wr_buf_clear(&gz);
    pack(&gz, body, sizeof(body) - 1);
    post(&live, "/files", packed_form, wr_buf_ptr(&gz), gz.len, 200, "/mnt/home/form");
    live_run(&live, "cat raw plain form", 0, "hellohellofrom a form");
}

TEST(a_bomb_takes_no_memory)
{
    static const char *const packed[] = {"Content-Type: application/octet-stream",
                                         "Content-Encoding: gzip", NULL};
    const size_t zeros_len = 64 * WR_MIB;
    wr_auto_buf gz = WR_BUF(WR_MIB);
    auto_live live = {0};
    live_start(&live);
    char *zeros = calloc(1, zeros_len);
    CHECK(zeros != NULL);
    pack(&gz, zeros, zeros_len);
    CHECK(gz.len < WR_MIB);
    post(&live, "/files?path=/mnt/zeros", packed, wr_buf_ptr(&gz), gz.len, 200, NULL);
    live_check_rss(&live, 8 * WR_MIB);
    live_run(&live, "stat -c %s /mnt/zeros", 0, "67108864\n");
    post(&live, "/files?path=" LIVE_SMALL_FS "/a", packed, wr_buf_ptr(&gz), gz.len, 507,
         "not enough disk space available");
    free(zeros);
}

TEST(big_forms_go_through_in_bounded_memory)
{
    static const char head[] = FILE_PART("; filename=\"/mnt/big\"");
    const size_t len = 64 * WR_MIB;
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    char *body = malloc(sizeof(head) + len + sizeof(END));
    CHECK(body != NULL);
    memcpy(body, head, sizeof(head) - 1);
    char *content = body + sizeof(head) - 1;
    for (size_t i = 0; i < len; i++)
        content[i] = (char)(i % 97 == 0 ? '\r' : (i * 2654435761U) >> 13);
    memcpy(content + len, END, sizeof(END) - 1);
    post(&live, "/files", form, body, sizeof(head) - 1 + len + sizeof(END) - 1, 200, "/mnt/big");
    live_check_rss(&live, 8 * WR_MIB);
    live_request(&live, &reply, "GET", "/files?path=/mnt/big", NULL, NULL, 0);
    CHECK_INT(reply.body.len, len);
    CHECK(memcmp(wr_buf_ptr(&reply.body), content, len) == 0);
    reply_done(&reply);
    free(body);
}

TEST(metadata)
{
    static const char *const two[] = {"Content-Type: application/octet-stream",
                                      "X-Metadata-Author: me", "x-metadata-KIND: a test", NULL};
    static const char *const bad[] = {"Content-Type: application/octet-stream",
                                      "X-Metadata-a: \xc3\xa4", NULL};
    static const char plain[] = "[{\"path\":\"/mnt/home/a\",\"name\":\"a\",\"type\":\"file\"}]";
    auto_live live = {0};
    struct reply reply;
    live_start(&live);
    live_request(&live, &reply, "POST", "/files?path=a", two, "x", 1);
    CHECK_INT(reply.status, 200);
    const char *text = wr_buf_cstr(&reply.body);
    /* A tmpfs of an old kernel has no such attributes; then they are left out. */
    if (strcmp(text, plain) != 0)
        CHECK(strstr(text, "\"type\":\"file\",\"metadata\":{") &&
              strstr(text, "\"author\":\"me\"") && strstr(text, "\"kind\":\"a test\""));
    reply_done(&reply);
    post(&live, "/files?path=a", octets, "x", 1, 200, plain); /* gone again */
    post(&live, "/files?path=a", bad, "x", 1, 400, "invalid metadata: ");
}

/* What a watcher of the home sees, as letters. The agent's root, since /mnt is mounted in it. */
static int watch(const struct live *live)
{
    char path[64];
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    CHECK(fd >= 0);
    snprintf(path, sizeof(path), "/proc/%d/root/mnt/home", live->agent);
    CHECK(inotify_add_watch(fd, path, IN_CREATE | IN_ATTRIB | IN_MODIFY | IN_DELETE | IN_MOVE) >=
          0);
    return fd;
}

static const char *seen(int fd)
{
    static char text[256];
    char events[4096] __attribute__((aligned(8)));
    size_t at = 0;
    ssize_t n = read(fd, events, sizeof(events));
    for (ssize_t i = 0; n > 0 && i < n && at + 2 < sizeof(text);) {
        struct inotify_event e;
        memcpy(&e, events + i, sizeof(e));
        text[at++] = e.mask & IN_CREATE   ? 'C'
                     : e.mask & IN_ATTRIB ? 'A'
                     : e.mask & IN_MODIFY ? 'W'
                                          : '?';
        i += (ssize_t)(sizeof(e) + e.len);
    }
    text[at] = '\0';
    return text;
}

TEST(watchers_see_create_chmod_write)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "true", 0, ""); /* the agent has its mounts */
    int fd = watch(&live);
    post(&live, "/files?path=raw", octets, "hello", 5, 200, NULL);
    CHECK_STR(seen(fd), "CAW");
    POST("/files", FILE_PART("; filename=form") "hello" END, 200, NULL);
    CHECK_STR(seen(fd), "CAW");
    post(&live, "/files?path=raw", octets, "again", 5, 200, NULL);
    /* owner, truncation, content; the last two may have become one */
    const char *events = seen(fd);
    CHECK(strcmp(events, "AW") == 0 || strcmp(events, "AWW") == 0);
    close(fd);
}

static void compose(struct live *live, const char *request, int status, const char *answer)
{
    static const char *const json[] = {"Content-Type: application/json", NULL};
    post(live, "/files/compose", json, request, strlen(request), status, answer);
}

TEST(files_become_one)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live,
             "printf one > a; printf two > b; printf old > out; head -c 20000000 /dev/zero > c", 0,
             "");
    compose(&live, "{\"source_paths\":[\"a\",\"/mnt/home/b\"],\"destination\":\"out\"}", 200,
            "{\"path\":\"/mnt/home/out\",\"name\":\"out\",\"type\":\"file\"}");
    live_run(&live, "cat out; ls -A; stat -c '%U %a' out", 0, "onetwoc\nout\nuser 644\n");
    compose(
        &live,
        "{\"source_paths\":[\"/mnt/home/c\",\"/mnt/home/out\"],\"destination\":\"/mnt/home/new/dir/f\",\"username\":\"root\"}",
        200, "/mnt/home/new/dir/f");
    live_run(&live, "stat -c '%U %s' new/dir/f; tail -c 6 new/dir/f; ls -A", 0,
             "root 20000006\nonetwonew\n");
}

TEST(refused_compositions)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "printf one > a; mkdir d", 0, "");
    compose(&live, "[]", 400, "invalid JSON");
    compose(&live, "{\"source_paths\":[],\"destination\":\"x\"}", 400, "source_paths");
    compose(&live, "{\"destination\":\"x\"}", 400, "source_paths");
    compose(&live, "{\"source_paths\":[\"a\"]}", 400, "destination");
    compose(&live, "{\"source_paths\":[1],\"destination\":\"x\"}", 400, "source_paths[0]");
    compose(&live, "{\"source_paths\":[\"a\",\"./x\"],\"destination\":\"x\"}", 400, "same");
    live_run(&live, "ln -s . here", 0, "");
    compose(&live, "{\"source_paths\":[\"a\"],\"destination\":\"/mnt//home/a\"}", 400, "same");
    compose(&live, "{\"source_paths\":[\"a\"],\"destination\":\"here/a\"}", 400, "same");
    compose(&live, "{\"source_paths\":[\"a\",\"d\"],\"destination\":\"x\"}", 400,
            "source is not a regular file");
    compose(&live, "{\"source_paths\":[\"a\"],\"destination\":\"d\"}", 400, "path is a directory");
    compose(&live, "{\"source_paths\":[\"a\",\"b\"],\"destination\":\"x\"}", 404,
            "source file not found: /mnt/home/b");
    compose(&live, "{\"source_paths\":[\"a\"],\"destination\":\"x\",\"username\":\"nobody-here\"}",
            401, "unknown user nobody-here");
    live_run(&live, "cat a; ls -A", 0, "onea\nd\nhere\n"); /* nothing is lost or left behind */
}
