/* The volumes of a CREATE and of a record. */
#include "base/buf.h"
#include "engine/spec.h"
#include "engine/spec_shares.h"
#include "json/jread.h"
#include "test.h"

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define A     "11111111-2222-4333-8444-555555555555"
#define B     "21111111-2222-4333-8444-555555555555"

static struct wr_error err;

/* A CREATE with these volumes and what follows them. */
static int read_volumes(const char *volumes, const char *more, struct wr_spec *spec)
{
    wr_auto_buf text = WR_BUF(65536);
    wr_auto_json *payload = NULL;
    CHECK_INT(wr_buf_printf(&text, "{\"template\":\"base\",\"volumes\":%s%s}", volumes, more), 0);
    if (wr_json_parse(wr_buf_ptr(&text), text.len, &payload, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", volumes, err.msg);
    return wr_spec_read(payload, spec, &err);
}

static void check_refused(const char *volumes, const char *word)
{
    struct wr_spec spec = {.pids = 7};
    CHECK_INT(read_volumes(volumes, "", &spec), -WR_E_INVALID_ARGUMENT);
    if (!strstr(err.msg, word))
        wr_test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", err.msg, word);
    CHECK_INT(spec.pids, 7); /* untouched */
    CHECK_INT(spec.share_count, 0);
}

static void check_path(const char *path, bool good)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    char volumes[512];
    snprintf(volumes, sizeof(volumes), "[{\"volume\":\"" A "\",\"path\":\"%s\"}]", path);
    if (!good) {
        check_refused(volumes, "volumes[0]");
        return;
    }
    if (read_volumes(volumes, "", &spec) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", path, err.msg);
    CHECK_STR(spec.shares[0].path, path);
}

TEST(volumes_are_read)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/data\"},"
                           "{\"volume\":\"" B "\",\"path\":\"/mnt/x y\",\"readOnly\":true}]",
                           "", &spec),
              0);
    CHECK_INT(spec.share_count, 2);
    CHECK_STR(spec.shares[0].id, A);
    CHECK_STR(spec.shares[0].path, "/data");
    CHECK(!spec.shares[0].read_only);
    CHECK_STR(spec.shares[1].id, B);
    CHECK_STR(spec.shares[1].path, "/mnt/x y");
    CHECK(spec.shares[1].read_only);
    CHECK(wr_spec_has_share(&spec, A) && wr_spec_has_share(&spec, B));
    CHECK(!wr_spec_has_share(&spec, "31111111-2222-4333-8444-555555555555"));
}

TEST(paths)
{
    static const char *const good[] = {"/a",       "/a/b.c",          "/...",
                                       "/proc2",   "/home/user/data", "/runner",
                                       "/devices", "/.warrenx",       "/\\u00e4"};
    static const char *const bad[] = {
        "",       "a",    "/",      "//a",      "/a/",        "/a//b",   "/./a",
        "/a/..",  "/..",  "/proc",  "/proc/x",  "/sys",       "/sys/fs", "/dev",
        "/dev/x", "/run", "/run/x", "/.warren", "/.warren/x", "/a\\nb",  "/a\\u007f"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(good) - 1; i++)
        check_path(good[i], true);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        check_path(bad[i], false);
}

TEST(the_longest_path)
{
    char path[WR_ACTION_VOLUME_PATH + 2] = "/";
    memset(path + 1, 'a', WR_ACTION_VOLUME_PATH - 1);
    check_path(path, true);
    path[WR_ACTION_VOLUME_PATH] = 'a';
    check_path(path, false);
}

TEST(what_is_wrong_is_named)
{
    check_refused("[1]", "volumes[0]");
    check_refused("[{\"volume\":\"" A "\"}]", "path");
    check_refused("[{\"path\":\"/a\"}]", "volume");
    check_refused("[{\"volume\":\"" A "\",\"path\":\"/a\",\"colour\":1}]", "colour");
    check_refused("[{\"volume\":\"" A "\",\"path\":\"/a\",\"readOnly\":1}]", "readOnly");
    check_refused("[{\"volume\":\"../../etc\",\"path\":\"/a\"}]", "../../etc");
    check_refused("[{\"volume\":\"" A "0\",\"path\":\"/a\"}]", "volumes[0].volume");
    check_refused("[{\"volume\":\"A1111111-2222-4333-8444-555555555555\",\"path\":\"/a\"}]",
                  "lower case");
    check_refused("[{\"volume\":\"" A "\",\"path\":\"/a\"},{\"volume\":\"" A "\",\"path\":\"/b\"}]",
                  "volumes[1]");
    check_refused("[{\"volume\":\"" A "\",\"path\":\"/a\"},{\"volume\":\"" B "\",\"path\":\"/a\"}]",
                  "volumes[1]");
    check_refused("[{\"volume\":\"" A "\",\"path\":\"/a/b\"},{\"volume\":\"" B
                  "\",\"path\":\"/a\"}]",
                  "lie in each other");
}

TEST(at_most_eight)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    wr_auto_buf text = WR_BUF(65536);
    for (int i = 0; i <= WR_ACTION_MAX_VOLUMES; i++)
        CHECK_INT(wr_buf_printf(&text,
                                "%c{\"volume\":\"%d1111111-2222-4333-8444-555555555555\","
                                "\"path\":\"/a%d\"}",
                                i ? ',' : '[', i, i),
                  0);
    CHECK_INT(wr_buf_append_char(&text, ']'), 0);
    check_refused(wr_buf_cstr(&text), "8 are possible");
}

TEST(neighbours_in_name_do_not_lie_in_each_other)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/a\"},{\"volume\":\"" B
                           "\",\"path\":\"/ab\"}]",
                           "", &spec),
              0);
}

TEST(a_blank_has_none)
{
    struct wr_spec spec = {0};
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/a\"}]",
                           ",\"blank\":true,\"accessToken\":\"" TOKEN "\",\"controlToken\":\"" TOKEN
                           "\"",
                           &spec),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "a blank sandbox has no volumes"));
}

TEST(content_needs_a_volume_and_a_token)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    const char *token = ",\"content\":true,\"accessToken\":\"" TOKEN "\"";
    CHECK_INT(
        read_volumes("[{\"volume\":\"" A "\",\"path\":\"/volume\"}]", ",\"content\":true", &spec),
        -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "accessToken"));
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/a\"}]", token, &spec),
              -WR_E_INVALID_ARGUMENT);
    CHECK(strstr(err.msg, "/volume"));
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/volume\",\"readOnly\":true}]", token,
                           &spec),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/volume\"}]", token, &spec), 0);
    CHECK(spec.content);
}

TEST(a_record_keeps_them)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0}, again = {0};
    wr_auto_buf text = WR_BUF(65536);
    wr_auto_json *record = NULL;
    CHECK_INT(read_volumes("[{\"volume\":\"" A "\",\"path\":\"/a\"},"
                           "{\"volume\":\"" B "\",\"path\":\"/b\",\"readOnly\":true}]",
                           "", &spec),
              0);
    memcpy(spec.id, "abcdefghij0123456789", sizeof(spec.id));
    CHECK_INT(wr_spec_write_record(&spec, &text), 0);
    CHECK_INT(wr_json_parse(wr_buf_ptr(&text), text.len, &record, &err), 0);
    CHECK_INT(wr_spec_read_record(record, &again, &err), 0);
    CHECK_INT(again.share_count, 2);
    CHECK(memcmp(again.shares, spec.shares, 2 * sizeof(spec.shares[0])) == 0);
}
