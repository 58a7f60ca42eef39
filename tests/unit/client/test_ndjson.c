#include "client/ndjson.h"
#include "json/jread.h"
#include "test.h"

static void push(struct wr_ndjson *reader, const char *text)
{
    struct wr_error err = {0};
    CHECK_INT(wr_ndjson_push(reader, text, strlen(text), &err), 0);
}

/* The number of the next line; -1: none is complete, -2: an error. */
static long long next(struct wr_ndjson *reader)
{
    wr_auto_json *json = NULL;
    struct wr_error err = {0};

    int r = wr_ndjson_next(reader, &json, &err);
    if (r < 0)
        return -2;
    return r == 0 ? -1 : json_integer_value(json_object_get(json, "n"));
}

TEST(lines_in_pieces)
{
    struct wr_ndjson reader;

    wr_ndjson_init(&reader);
    push(&reader, "{\"n\":1}\n{\"n\"");
    CHECK_INT(next(&reader), 1);
    CHECK_INT(next(&reader), -1);
    push(&reader, ":2}");
    CHECK_INT(next(&reader), -1);
    push(&reader, "\r\n\n  \n{\"n\":3}\n");
    CHECK_INT(next(&reader), 2);
    CHECK_INT(next(&reader), 3);
    CHECK_INT(next(&reader), -1);
    wr_ndjson_done(&reader);
}

TEST(what_is_no_object_is_refused)
{
    static const char *const lines[] = {"[]\n", "1\n", "{\"n\":1}{}\n", "{\"n\":1,\"n\":2}\n",
                                        "x\n"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(lines); i++) {
        struct wr_ndjson reader;
        wr_ndjson_init(&reader);
        push(&reader, lines[i]);
        CHECK_INT(next(&reader), -2);
        wr_ndjson_done(&reader);
    }
}

TEST(texts_may_hold_anything)
{
    struct wr_ndjson reader;
    wr_auto_json *json = NULL;
    struct wr_error err = {0};

    wr_ndjson_init(&reader);
    push(&reader, "{\"text\":\"a\\u0000b\",\"big\":36893488147419103232}\n");
    CHECK_INT(wr_ndjson_next(&reader, &json, &err), 1);
    CHECK_INT(json_string_length(json_object_get(json, "text")), 3);
    CHECK(json_is_real(json_object_get(json, "big")));
    wr_ndjson_done(&reader);
}

TEST(a_line_has_a_greatest_length)
{
    struct wr_ndjson reader;
    struct wr_error err = {0};
    static char chunk[1024 * 1024];
    int r = 0;

    memset(chunk, 'x', sizeof chunk);
    wr_ndjson_init(&reader);
    for (size_t total = 0; r == 0; total += sizeof chunk) {
        CHECK(total <= WR_NDJSON_LINE_MAX);
        r = wr_ndjson_push(&reader, chunk, sizeof chunk, &err);
    }
    CHECK_INT(r, -WR_E_RESOURCE_EXHAUSTED);
    CHECK(strstr(err.msg, "MiB"));
    wr_ndjson_done(&reader);
}
