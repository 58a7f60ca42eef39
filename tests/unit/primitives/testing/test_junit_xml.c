#include "primitives/testing/junit_xml.h"
#include "test.h"

static void escaped(const char *text, size_t len, const char *expected)
{
    struct wr_buf out;

    wr_buf_init(&out, 1000);
    CHECK_INT(wr_junit_escape(&out, text, len), 0);
    CHECK_STR(wr_buf_cstr(&out), expected);
    wr_buf_done(&out);
}

TEST(what_xml_cannot_hold_is_escaped_or_replaced)
{
    escaped("", 0, "");
    escaped("plain \u20ac \U0001f600", 14, "plain \u20ac \U0001f600");
    escaped("<a href=\"x\">'&</a>", 18, "&lt;a href=&quot;x&quot;&gt;&apos;&amp;&lt;/a&gt;");
    escaped("]]>", 3, "]]&gt;");
    escaped("a\tb\nc\rd", 7, "a&#9;b&#10;c&#13;d");
    escaped("a\0b\x1b[0m\x01", 8, "a\ufffdb\ufffd[0m\ufffd");
    escaped("x\uffff\ufffe\ufffdy", 11, "x\ufffd\ufffd\ufffdy");
    escaped("\xff", 1, "\ufffd");
}

TEST(a_buffer_that_is_full_is_an_error)
{
    struct wr_buf out;

    wr_buf_init(&out, 5);
    CHECK(wr_junit_escape(&out, "<<", 2) < 0);
    wr_buf_done(&out);
}

TEST(a_whole_report)
{
    json_t *results = json_loads(
        "[{\"test\": \"a<b\", \"outcome\": \"passed\", \"output\": \"\", \"error\": null, \"duration_ms\": 1500},"
        " {\"test\": \"c\", \"outcome\": \"failed\", \"output\": \"o\", \"error\": \"e&\", \"duration_ms\": 0},"
        " {\"test\": \"d\", \"outcome\": \"infrastructure_error\", \"output\": \"\", \"error\": \"x\", \"duration_ms\": 0}]",
        0, NULL);
    const struct wr_junit_counts counts = {
        .passed = 1, .failed = 1, .errored = 1, .duration_ms = 2000};
    struct wr_buf out;

    wr_buf_init(&out, 10000);
    CHECK_INT(wr_junit_write(&out, "suite", &counts, results), 0);
    CHECK_STR(wr_buf_cstr(&out),
              "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n"
              "<testsuite name=\"suite\" tests=\"3\" failures=\"1\" errors=\"1\" skipped=\"0\" "
              "time=\"2.000\">\n"
              "  <testcase name=\"a&lt;b\" classname=\"suite\" time=\"1.500\">\n  </testcase>\n"
              "  <testcase name=\"c\" classname=\"suite\" time=\"0.000\">\n"
              "    <failure type=\"failed\" message=\"e&amp;\"/>\n"
              "    <system-out>o</system-out>\n  </testcase>\n"
              "  <testcase name=\"d\" classname=\"suite\" time=\"0.000\">\n"
              "    <error type=\"infrastructure_error\" message=\"x\"/>\n  </testcase>\n"
              "</testsuite>\n</testsuites>\n");
    wr_buf_done(&out);
    json_decref(results);
}
