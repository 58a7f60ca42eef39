#include "base/encode.h"
#include "base/str.h"
#include "server/api/list_query.h"
#include "test.h"

static struct wr_sandbox sandbox(const char *id, uint64_t created_ms)
{
    struct wr_sandbox s = {.created_ms = created_ms};
    CHECK(wr_strcopy(s.id, sizeof s.id, id) &&
          wr_strcopy(s.template_name, sizeof s.template_name, "base"));
    return s;
}

#define A "aaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbb"

TEST(order)
{
    const struct wr_list_query desc = {0}, asc = {.ascending = true};
    struct wr_sandbox a = sandbox(A, 1), b = sandbox(B, 1), young = sandbox(A, 2);
    CHECK(wr_list_query_compare(&desc, &a, &b) < 0 && wr_list_query_compare(&asc, &a, &b) > 0);
    CHECK(wr_list_query_compare(&desc, &young, &a) < 0);
    CHECK(wr_list_query_compare(&asc, &young, &a) > 0);
    CHECK_INT(wr_list_query_compare(&asc, &a, &a), 0);
}

TEST(cursor_round_trip)
{
    struct wr_sandbox a = sandbox(A, 1700000000123), b = sandbox(B, 1700000000123);
    for (int asc = 0; asc <= 1; asc++) {
        struct wr_list_query query = {.ascending = asc}, next = {.ascending = asc};
        struct wr_error err = {0};
        char text[WR_LIST_CURSOR_MAX];
        CHECK(wr_list_query_behind(&query, &a));
        wr_list_query_cursor(&query, &a, text);
        CHECK(!strpbrk(text, "+/="));
        CHECK_INT(wr_list_cursor_read(text, &next, &err), 0);
        CHECK(next.has_cursor);
        CHECK_INT(next.cursor_ms, a.created_ms);
        CHECK(!wr_list_query_behind(&next, &a));
        CHECK_INT(wr_list_query_behind(&next, &b), !asc);
        next.ascending = !asc;
        CHECK_INT(wr_list_cursor_read(text, &next, &err), -WR_E_INVALID_ARGUMENT);
    }
}

TEST(malformed_cursors)
{
    static const char *const plain[] = {"",
                                        "x",
                                        "__" A,
                                        "2024-01-01T00:00:00Z",
                                        "2024-01-01T00:00:00Z__",
                                        "2024-01-01T00:00:00Z__short",
                                        "2024-01-01T00:00:00Z__" A "__desc",
                                        "2024-01-01T00:00:00Z__" A "__asc__",
                                        "yesterday__" A};
    struct wr_list_query query = {0};
    struct wr_error err = {0};
    for (size_t i = 0; i < WR_ARRAY_SIZE(plain); i++) {
        char text[WR_BASE64_LEN(64) + 1] = "";
        text[wr_base64_encode(plain[i], strlen(plain[i]), text)] = '\0';
        if (wr_list_cursor_read(text, &query, &err) != -WR_E_INVALID_ARGUMENT)
            wr_test_fail(__FILE__, __LINE__, "\"%s\" was taken", plain[i]);
        CHECK_STR(err.msg, "Invalid next token");
    }
    CHECK_INT(wr_list_cursor_read("!!", &query, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!query.has_cursor);
}

TEST(matches)
{
    struct wr_sandbox a = sandbox(A, 1700000000123);
    a.settings = json_pack("{s:{s:s}}", "metadata", "k", "v");
    struct wr_list_query query = {0};
    CHECK(wr_list_query_match(&query, &a));
    /* Inclusive to the microsecond. */
    query.started_after_us = 1700000000123000;
    CHECK(wr_list_query_match(&query, &a));
    query.started_after_us++;
    CHECK(!wr_list_query_match(&query, &a));
    query.started_after_us = 0;
    query.metadata = json_pack("{s:s}", "k", "w");
    CHECK(!wr_list_query_match(&query, &a));
    wr_list_query_done(&query);
    query.nothing = true;
    CHECK(!wr_list_query_match(&query, &a));
    json_decref(a.settings);
}
