#include "http/uri.h"
#include "test.h"

static struct wr_error err;
static char path[64];
static const char *query;
static size_t query_len;

static int split(const char *target)
{
    return wr_uri_split(target, strlen(target), path, sizeof(path), &query, &query_len, &err);
}

static void check_split(const char *target, const char *expected_path, const char *expected_query)
{
    CHECK_INT(split(target), 0);
    CHECK_STR(path, expected_path);
    CHECK(query_len == strlen(expected_query) && memcmp(query, expected_query, query_len) == 0);
}

TEST(paths)
{
    check_split("/", "/", "");
    check_split("/a/b?c=d", "/a/b", "c=d");
    check_split("/a%20b%2Fc+d?", "/a b/c+d", "");
    check_split("/%c3%A4", "/\xc3\xa4", "");
    check_split("/a?b?c", "/a", "b?c");
    check_split("/..a/...//b.", "/..a/...//b.", "");
    check_split("http://host", "/", "");
    check_split("http://host?q", "/", "q");
    check_split("HTTPS://host:1/p?q", "/p", "q");
}

TEST(refused_paths)
{
    static const char *const bad[] = {
        "",      "a",         "*",      "?a",       "/%",    "/%1",     "/%zz",        "/%00",
        "/a%0",  "/\x01",     "/\x7f",  "/..",      "/.",    "/../a",   "/a/../b",     "/a/./b",
        "/a/..", "/%2e%2e/a", "/a/%2E", "ftp://x/", "http:", "http:/a", "/a%2f..%2fb",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        if (split(bad[i]) != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "accepted: %s", bad[i]);
}

TEST(path_capacity)
{
    char target[80] = "/";
    memset(target + 1, 'a', 62);
    CHECK_INT(split(target), 0);
    target[63] = 'a';
    CHECK_INT(split(target), -WR_E_INVALID_ARGUMENT);
}

static int get(const char *q, const char *name, char *out, size_t cap)
{
    return wr_uri_query_get(q, strlen(q), name, out, cap, &err);
}

TEST(queries)
{
    static const struct {
        const char *query, *name, *value; /* NULL: absent */
    } cases[] = {
        {"a=1&b=2", "b", "2"},
        {"a=1&b=2", "c", NULL},
        {"", "a", NULL},
        {"a", "a", ""},
        {"a=", "a", ""},
        {"a=1&a=2", "a", "1"},
        {"a=x+y%20z", "a", "x y z"},
        {"%61=1", "a", "1"},
        {"&&a=1&", "a", "1"},
        {"ab=1", "a", NULL},
        {"a=b=c", "a", "b=c"},
        {"=x&a=1", "a", "1"},
        {"%zz=1&a=2", "a", "2"},
        {"aa=1&a=2", "a", "2"},
        {"b=%zz&a=2", "a", "2"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        char out[16] = "";
        CHECK_INT(get(cases[i].query, cases[i].name, out, sizeof(out)), cases[i].value != NULL);
        if (cases[i].value)
            CHECK_STR(out, cases[i].value);
    }
}

TEST(refused_queries)
{
    char out[4] = "old";
    CHECK_INT(get("a=%zz", "a", out, sizeof(out)), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(get("a=%", "a", out, sizeof(out)), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(get("a=%00", "a", out, sizeof(out)), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(get("a=1234", "a", out, sizeof(out)), -WR_E_INVALID_ARGUMENT);
    CHECK_STR(out, "old");
    CHECK_INT(get("a=123", "a", out, sizeof(out)), 1);
}

TEST(encoding)
{
    char out[16];
    CHECK(wr_uri_encode("/a b%\xc3", out, sizeof(out)));
    CHECK_STR(out, "/a%20b%25%C3");
    CHECK(wr_uri_encode("abc", out, 4));
    CHECK(!wr_uri_encode("abcd", out, 4));
    CHECK(!wr_uri_encode("a%", out, 4));
}
