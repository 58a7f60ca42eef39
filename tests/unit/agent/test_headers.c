#include <signal.h>

#include "agent/exec/events.h"
#include "agent/fs/file_headers.h"
#include "agent/fs/http_date.h"
#include "test.h"

static const char *disposition(const char *name)
{
    static char out[1024];
    return wr_content_disposition(name, strlen(name), out, sizeof(out)) ? out : NULL;
}

TEST(file_names_are_quoted_when_necessary)
{
    CHECK_STR(disposition("a-b_c.txt"), "inline; filename=a-b_c.txt");
    CHECK_STR(disposition("a b.txt"), "inline; filename=\"a b.txt\"");
    CHECK_STR(disposition("a\"\\.txt"), "inline; filename=\"a\\\"\\\\.txt\"");
    CHECK_STR(disposition("\xc3\xa4.txt"), "inline; filename*=utf-8''%C3%A4.txt");
    CHECK_STR(disposition("a\r\nb"), "inline; filename*=utf-8''a%0D%0Ab");
}

TEST(file_names_are_bounded)
{
    char name[257];
    memset(name, 'a', sizeof(name));
    name[256] = '\0';
    CHECK(disposition(name) == NULL);
    name[255] = '\0';
    CHECK(disposition(name) != NULL);
    memset(name, '"', 255);
    CHECK(disposition(name) != NULL);
    memset(name, '\x80', 255);
    CHECK(disposition(name) != NULL);
}

TEST(dates)
{
    char out[30];
    wr_http_date(0, out);
    CHECK_STR(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    wr_http_date(784111777, out);
    CHECK_STR(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    wr_http_date(951782399, out);
    CHECK_STR(out, "Mon, 28 Feb 2000 23:59:59 GMT");
    wr_http_date(951782400, out);
    CHECK_STR(out, "Tue, 29 Feb 2000 00:00:00 GMT");
    wr_http_date(-5, out);
    CHECK_STR(out, "Thu, 01 Jan 1970 00:00:00 GMT");
}

static const char *exit_text(int code, int status)
{
    static char out[64];
    struct wr_exit e = {.code = code, .status = status};
    wr_exit_text(&e, out, sizeof(out));
    return out;
}

TEST(exit_texts)
{
    CHECK_STR(exit_text(CLD_EXITED, 0), "exit status 0");
    CHECK_STR(exit_text(CLD_EXITED, 255), "exit status 255");
    CHECK_STR(exit_text(CLD_KILLED, SIGKILL), "signal: killed");
    CHECK_STR(exit_text(CLD_DUMPED, SIGABRT), "signal: aborted (core dumped)");
    CHECK_STR(exit_text(CLD_KILLED, 34), "signal: signal 34");
}

static const char *json(struct wr_buf *b)
{
    return wr_buf_cstr(b);
}

TEST(events_leave_out_default_values)
{
    wr_auto_buf b = WR_BUF(1024);
    struct wr_exit ok = {.code = CLD_EXITED}, three = {.code = CLD_EXITED, .status = 3},
                   killed = {.code = CLD_KILLED, .status = SIGKILL};
    CHECK_INT(wr_event_start(&b, 12), 0);
    CHECK_STR(json(&b), "{\"event\":{\"start\":{\"pid\":12}}}");
    CHECK_INT(wr_event_data(&b, WR_STREAM_STDERR, "hi", 2), 0);
    CHECK_STR(json(&b), "{\"event\":{\"data\":{\"stderr\":\"aGk=\"}}}");
    CHECK_INT(wr_event_end(&b, &ok), 0);
    CHECK_STR(json(&b), "{\"event\":{\"end\":{\"exited\":true,\"status\":\"exit status 0\"}}}");
    CHECK_INT(wr_event_end(&b, &three), 0);
    CHECK_STR(json(&b),
              "{\"event\":{\"end\":{\"exitCode\":3,\"exited\":true,\"status\":\"exit status 3\","
              "\"error\":\"exit status 3\"}}}");
    CHECK_INT(wr_event_end(&b, &killed), 0);
    CHECK_STR(
        json(&b),
        "{\"event\":{\"end\":{\"exitCode\":-1,\"status\":\"signal: killed\",\"error\":\"signal: killed\"}}}");
    CHECK_INT(wr_event_keepalive(&b), 0);
    CHECK_STR(json(&b), "{\"event\":{\"keepalive\":{}}}");
}
