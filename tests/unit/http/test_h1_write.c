#include <errno.h>

#include "http/h1.h"
#include "test.h"

TEST(messages)
{
    wr_auto_buf out = WR_BUF(4096);
    CHECK_INT(wr_h1_write_request(&out, "GET", "/a?b"), 0);
    CHECK_INT(wr_h1_write_header(&out, "Host", "x"), 0);
    CHECK_INT(wr_h1_write_header(&out, "Empty", ""), 0);
    CHECK_INT(wr_h1_write_end(&out), 0);
    CHECK_INT(wr_h1_write_last_chunk(&out), 0);
    CHECK_STR(wr_buf_cstr(&out), "GET /a?b HTTP/1.1\r\nHost: x\r\nEmpty: \r\n\r\n0\r\n\r\n");
    wr_buf_clear(&out);
    CHECK_INT(wr_h1_write_status(&out, 404, NULL), 0);
    CHECK_INT(wr_h1_write_status(&out, 299, NULL), 0);
    CHECK_INT(wr_h1_write_status(&out, 200, ""), 0);
    CHECK_STR(wr_buf_cstr(&out),
              "HTTP/1.1 404 Not Found\r\nHTTP/1.1 299 Unknown\r\nHTTP/1.1 200 \r\n");
}

TEST(injection_is_refused)
{
    wr_auto_buf out = WR_BUF(4096);
    static const char *const values[] = {"a\r\nB: c", "a\n", "a\r", "\x01", "\x7f"};
    static const char *const names[] = {"", "a b", "a:", "a\r\n", "\xc3\xa4", "a\t"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(values); i++) {
        CHECK_INT(wr_h1_write_header(&out, "A", values[i]), -EINVAL);
        CHECK_INT(wr_h1_write_status(&out, 200, values[i]), -EINVAL);
        CHECK_INT(wr_h1_write_request(&out, "GET", values[i]), -EINVAL);
        CHECK_INT(wr_h1_write_request(&out, values[i], "/"), -EINVAL);
    }
    CHECK_INT(wr_h1_write_header_n(&out, "A", 1, "a\0b", 3), -EINVAL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        CHECK_INT(wr_h1_write_header(&out, names[i], "x"), -EINVAL);
    CHECK_INT(wr_h1_write_request(&out, "GET", "/a b"), -EINVAL);
    CHECK_INT(wr_h1_write_request(&out, "GET", ""), -EINVAL);
    CHECK_INT(wr_h1_write_request(&out, "", "/"), -EINVAL);
    CHECK_INT(wr_h1_write_request(&out, "ABCDEFGHIJKLMNOPQ", "/"), -EINVAL);
    CHECK_INT(wr_h1_write_status(&out, 99, NULL), -EINVAL);
    CHECK_INT(wr_h1_write_status(&out, 1000, NULL), -EINVAL);
    CHECK_INT(out.len, 0);
}

TEST(a_full_buffer_is_left_as_it_was)
{
    wr_auto_buf out = WR_BUF(10);
    CHECK_INT(wr_h1_write_header(&out, "Name", "value"), -ENOBUFS);
    CHECK_INT(out.len, 0);
    CHECK_INT(wr_h1_write_header(&out, "Name", "va"), 0);
}
