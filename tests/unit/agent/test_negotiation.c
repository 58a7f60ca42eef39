/* Which answer a download gets: encoding, conditions, ranges. */
#include "agent/fs/accept_encoding.h"
#include "agent/fs/http_date.h"
#include "agent/fs/preconditions.h"
#include "test.h"

/* Parses a request with these fields ("A: b\r\n..."). The bytes stay until the next call. */
static const struct wr_h1_head *request(const char *fields)
{
    static char text[4096];
    static struct wr_h1_head head;
    struct wr_error err;
    int status = 0;
    int len = snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", fields);
    CHECK_INT(wr_h1_parse_request(text, (size_t)len, &head, &status, &err), len);
    return &head;
}

static void encoding(const char *value, enum wr_encoding expected, enum wr_encoding plain)
{
    char field[512];
    snprintf(field, sizeof(field), "Accept-Encoding: %s\r\n", value);
    const struct wr_h1_head *head = request(field);
    if (wr_accept_encoding(head, false) != expected)
        wr_test_fail(__FILE__, __LINE__, "'%s': %d", value, (int)wr_accept_encoding(head, false));
    if (wr_accept_encoding(head, true) != plain)
        wr_test_fail(__FILE__, __LINE__, "'%s': %d for plain bytes only", value,
                     (int)wr_accept_encoding(head, true));
}

TEST(encodings)
{
    const enum wr_encoding plain = WR_ENCODING_IDENTITY, gzip = WR_ENCODING_GZIP,
                           none = WR_ENCODING_NONE;
    CHECK_INT(wr_accept_encoding(request(""), false), plain);
    encoding("", plain, plain);
    encoding("gzip", gzip, plain);
    encoding("GZip", gzip, plain);
    encoding("gzip, deflate, br", gzip, plain);
    encoding("br, gzip", gzip, plain);
    encoding("br", plain, plain);
    encoding("identity", plain, plain);
    encoding("identity, gzip", plain, plain); /* a tie: the first */
    encoding("gzip, identity", gzip, plain);
    encoding("gzip;q=0.5, identity", plain, plain);
    encoding("gzip;q=0.5, identity;q=0.4", gzip, plain);
    encoding("gzip;q=0.501, identity;q=0.5", gzip, plain);
    encoding("gzip ; q=1 , identity;q=0", gzip, none);
    encoding("gzip;q=0", plain, plain);
    encoding("gzip;q=0.000, identity;q=0", none, none);
    encoding("*", plain, plain);
    encoding("*, gzip", plain, plain);
    encoding("gzip, *", gzip, plain);
    encoding("*;q=0", none, none);
    encoding("gzip;q=0.1, *;q=0", gzip, none);
    encoding("identity;q=0.1, *;q=0", plain, plain);
    encoding("*, identity;q=0", gzip, none);
    encoding("identity;q=0", none, none);
    encoding("br;q=1, *;q=0.5, identity;q=0", gzip, none);
    encoding("gzip;q=x", gzip, plain);
    encoding("gzip;q=1.5", gzip, plain);
    encoding("gzip;q=0;level=9", plain, plain);
    encoding(",,gzip;,", gzip, plain);
    encoding("identity;q=0.5\r\nAccept-Encoding: gzip", gzip, plain); /* two fields */
}

static bool parse_date(const char *text, int64_t *ret)
{
    return wr_http_date_parse(text, strlen(text), ret);
}

TEST(dates_of_all_three_forms)
{
    int64_t t = 0;
    CHECK(parse_date("Sun, 06 Nov 1994 08:49:37 GMT", &t));
    CHECK_INT(t, 784111777);
    t = 0;
    CHECK(parse_date("Sunday, 06-Nov-94 08:49:37 GMT", &t));
    CHECK_INT(t, 784111777);
    t = 0;
    CHECK(parse_date("Sun Nov  6 08:49:37 1994", &t));
    CHECK_INT(t, 784111777);
    CHECK(parse_date("Tue, 29 Feb 2000 00:00:00 GMT", &t));
    CHECK_INT(t, 951782400);
    CHECK(parse_date("Thu, 01 Jan 1970 00:00:00 GMT", &t));
    CHECK_INT(t, 0);
    CHECK(parse_date("Wednesday, 01-Jan-25 00:00:00 GMT", &t));
    CHECK_INT(t, 1735689600);
}

TEST(dates_survive_a_round_trip)
{
    for (int64_t t = 0; t < 8000000000; t += 7654321) {
        char text[30];
        int64_t back = -1;
        wr_http_date(t, text);
        if (!parse_date(text, &back) || back != t)
            wr_test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", text, (long long)back,
                         (long long)t);
    }
}

TEST(what_is_no_date)
{
    static const char *const bad[] = {
        "",
        "yesterday",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 GMT+1",
        "Sun, 06 Nov 1994 08:49:37 EST",
        "Sun, 32 Nov 1994 08:49:37 GMT",
        "Sun, 06 ovD 1994 08:49:37 GMT",
        "Sun, 06 No  1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT",
        "Sun, 06 Nov 1994 08:-1:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 199  08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994 GMT",
        "1994-11-06T08:49:37Z",
        "Sun, 06 Nov 1994 08:49:37 GMT and much more behind it than fits",
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        int64_t t = 12;
        if (parse_date(bad[i], &t) || t != 12)
            wr_test_fail(__FILE__, __LINE__, "'%s' is %lld", bad[i], (long long)t);
    }
}

#define CHANGED 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define SAME    "Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define EARLIER "Sun, 06 Nov 1994 08:49:36 GMT\r\n"
#define LATER   "Sun, 06 Nov 1994 08:49:38 GMT\r\n"

static int condition(const char *fields)
{
    return wr_preconditions_check(request(fields), CHANGED);
}

TEST(conditions)
{
    CHECK_INT(condition(""), 200);
    CHECK_INT(condition("If-Modified-Since: " SAME), 304);
    CHECK_INT(condition("If-Modified-Since: " LATER), 304);
    CHECK_INT(condition("If-Modified-Since: " EARLIER), 200);
    CHECK_INT(condition("If-Modified-Since: nonsense\r\n"), 200);
    CHECK_INT(condition("If-Unmodified-Since: " SAME), 200);
    CHECK_INT(condition("If-Unmodified-Since: " EARLIER), 412);
    CHECK_INT(condition("If-None-Match: *\r\n"), 304);
    CHECK_INT(condition("If-None-Match: \"tag\"\r\nIf-Modified-Since: " SAME), 200);
    CHECK_INT(condition("If-Match: *\r\n"), 200);
    CHECK_INT(condition("If-Match: \"tag\"\r\n"), 412);
    CHECK(wr_request_is_conditional(request("Range: x\r\n")));
    CHECK(wr_request_is_conditional(request("if-range: x\r\n")));
    CHECK(wr_request_is_conditional(request("If-None-Match: x\r\n")));
    CHECK(wr_request_is_conditional(request("If-Modified-Since: x\r\n")));
    CHECK(!wr_request_is_conditional(request("Accept: x\r\n")));
}

static void range(const char *fields, uint64_t size, enum wr_range_kind kind, uint64_t start,
                  uint64_t len)
{
    struct wr_range r = {77, 77};
    enum wr_range_kind got = wr_range_read(request(fields), CHANGED, size, &r);
    if (got != kind || (kind == WR_RANGE_PART ? r.start != start || r.len != len : r.start != 77))
        wr_test_fail(__FILE__, __LINE__, "%s of %llu: %d, %llu+%llu", fields,
                     (unsigned long long)size, (int)got, (unsigned long long)r.start,
                     (unsigned long long)r.len);
}

TEST(ranges)
{
    range("", 10, WR_RANGE_WHOLE, 0, 0);
    range("Range: bytes=0-0\r\n", 10, WR_RANGE_PART, 0, 1);
    range("Range: bytes=2-4\r\n", 10, WR_RANGE_PART, 2, 3);
    range("Range: Bytes=2-\r\n", 10, WR_RANGE_PART, 2, 8);
    range("Range: bytes=2-99999999999999999999999999\r\n", 10, WR_RANGE_PART, 2, 8);
    range("Range: bytes=-3\r\n", 10, WR_RANGE_PART, 7, 3);
    range("Range: bytes=-99999999999999999999999999\r\n", 10, WR_RANGE_PART, 0, 10);
    range("Range: bytes=9-\r\n", 10, WR_RANGE_PART, 9, 1);
    range("Range: bytes=0-18446744073709551615\r\n", UINT64_MAX, WR_RANGE_PART, 0, UINT64_MAX);
    range("Range: bytes=10-\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=-0\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=4-2\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=-\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=a-b\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=1-2-3\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=+1-2\r\n", 10, WR_RANGE_BEYOND, 0, 0);
    range("Range: bytes=0-1,4-5\r\n", 10, WR_RANGE_WHOLE, 0, 0); /* several: the whole */
    range("Range: lines=0-1\r\n", 10, WR_RANGE_WHOLE, 0, 0);
    range("Range: byte\r\n", 10, WR_RANGE_WHOLE, 0, 0);
    range("Range: bytes=0-\r\n", 0, WR_RANGE_WHOLE, 0, 0);
    range("Range: bytes=0-1\r\nIf-Range: " SAME, 10, WR_RANGE_PART, 0, 2);
    range("Range: bytes=0-1\r\nIf-Range: " LATER, 10, WR_RANGE_WHOLE, 0, 0);
    range("Range: bytes=0-1\r\nIf-Range: \"tag\"\r\n", 10, WR_RANGE_WHOLE, 0, 0);
}
