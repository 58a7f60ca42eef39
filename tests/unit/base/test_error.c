#include <errno.h>

#include "base/error.h"
#include "test.h"

TEST(fail_fills_the_struct)
{
    struct wr_error err = {0};
    CHECK_INT(wr_fail(&err, WR_E_NOT_FOUND, 0, "sandbox %s", "x"), -WR_E_NOT_FOUND);
    CHECK_INT(err.code, WR_E_NOT_FOUND);
    CHECK_INT(err.os_errno, 0);
    CHECK_STR(err.msg, "sandbox x");
    CHECK_INT(wr_fail(&err, WR_E_INTERNAL, ENOENT, "open"), -WR_E_INTERNAL);
    CHECK_STR(err.msg, "open: No such file or directory");
    errno = EACCES;
    CHECK_INT(wr_fail_errno(&err, WR_E_PERMISSION_DENIED, "open %d", 1), -WR_E_PERMISSION_DENIED);
    CHECK_INT(err.os_errno, EACCES);
    CHECK_STR(err.msg, "open 1: Permission denied");
}

TEST(wrap_prefixes_and_keeps_the_code)
{
    struct wr_error err = {0};
    (void)wr_fail(&err, WR_E_ABORTED, EIO, "inner");
    CHECK_INT(wr_wrap(&err, "outer %d", 2), -WR_E_ABORTED);
    CHECK_STR(err.msg, "outer 2: inner: Input/output error");
    CHECK_INT(err.os_errno, EIO);
}

TEST(long_text_is_cut_and_terminated)
{
    struct wr_error err;
    char text[600];
    memset(&err, 'z', sizeof(err));
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    (void)wr_fail(&err, WR_E_INTERNAL, EIO, "%s", text);
    CHECK_INT(strlen(err.msg), sizeof(err.msg) - 1);
    (void)wr_wrap(&err, "%s", text);
    CHECK_INT(strlen(err.msg), sizeof(err.msg) - 1);
    /* Between two characters. */
    memcpy(text + sizeof(err.msg) - 3, "\xe2\x82\xac", 3);
    (void)wr_fail(&err, WR_E_INTERNAL, 0, "%s", text);
    CHECK_INT(strlen(err.msg), sizeof(err.msg) - 3);
    (void)wr_wrap(&err, "%s", text + 1);
    CHECK_INT(strlen(err.msg), sizeof(err.msg) - 1);
}

/* What others have said is quoted: cut by a precision, over several lines, for a terminal. */
TEST(a_message_is_a_line_of_text)
{
    struct wr_error err;

    (void)wr_fail(&err, WR_E_INTERNAL, 0, "pip: %.3s|%s", "a\xc3\xa9\xc3\xa9",
                  "x\ny\x1b[2J\x7f\xc2\x9b\xff");
    CHECK_STR(err.msg, "pip: a\xc3\xa9|x y [2J   ?");
    (void)wr_wrap(&err, "%.1s\r", "\xc3\xa9");
    CHECK_STR(err.msg, "? : pip: a\xc3\xa9|x y [2J   ?");
}

TEST(code_table)
{
    for (int i = WR_OK; i < WR_E_MAX_; i++) {
        enum wr_code code = (enum wr_code)i;
        CHECK_INT(wr_code_from_name(wr_code_name(code)), i);
        CHECK_INT(wr_code_exit_status(code), i == 0 ? 0 : 63 + i);
        CHECK(wr_code_http_status(code) >= 200 && wr_code_http_status(code) < 600);
    }
    CHECK_STR(wr_code_name(WR_E_NOT_FOUND), "not_found");
    CHECK_STR(wr_code_name(WR_E_UNAUTHENTICATED), "unauthenticated");
    CHECK_INT(wr_code_http_status(WR_E_RESOURCE_EXHAUSTED), 429);
    CHECK_INT(wr_code_from_name("no such"), WR_E_UNKNOWN);
    CHECK_STR(wr_code_name((enum wr_code)WR_E_MAX_), "unknown");
    CHECK_INT(wr_code_exit_status((enum wr_code) - 5), 65);
}

TEST(errno_mapping)
{
    CHECK_INT(wr_code_from_errno(0), WR_OK);
    CHECK_INT(wr_code_from_errno(ENOENT), WR_E_NOT_FOUND);
    CHECK_INT(wr_code_from_errno(ENOSPC), WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_code_from_errno(EPERM), WR_E_PERMISSION_DENIED);
    CHECK_INT(wr_code_from_errno(12345), WR_E_INTERNAL);
    CHECK_STR(wr_errno_text(12345), "unknown system error");
    CHECK_STR(wr_errno_text(EPERM), "Operation not permitted");
}

TEST(received)
{
    struct wr_error err = {.code = WR_E_NOT_FOUND};
    memset(err.msg, 'x', sizeof(err.msg));
    CHECK_INT(wr_error_received(&err), -WR_E_NOT_FOUND);
    CHECK_INT(strlen(err.msg), sizeof(err.msg) - 1);
    err.code = WR_OK;
    CHECK_INT(wr_error_received(&err), 0);
    err.code = -5;
    CHECK_INT(wr_error_received(&err), -WR_E_INTERNAL);
    err.code = WR_E_MAX_;
    CHECK_INT(wr_error_received(&err), -WR_E_INTERNAL);
    CHECK_INT(err.code, WR_E_INTERNAL);
}

TEST(an_older_time_to_wait_is_not_kept)
{
    struct wr_error err = {.retry_after_ms = 5};
    CHECK_INT(wr_fail(&err, WR_E_UNAVAILABLE, 0, "gone"), -WR_E_UNAVAILABLE);
    CHECK_INT(err.retry_after_ms, 0);
    err.retry_after_ms = 5;
    CHECK_INT(wr_wrap(&err, "server"), -WR_E_UNAVAILABLE);
    CHECK_INT(err.retry_after_ms, 5);
}

TEST(every_code_has_a_class_with_a_name)
{
    struct wr_error err = {0};

    CHECK_INT(wr_error_classify(&err), WR_CLASS_NONE);
    CHECK_STR(wr_error_class_name(WR_CLASS_NONE), "none");
    for (err.code = 1; err.code < WR_E_MAX_; err.code++) {
        enum wr_error_class its = wr_error_classify(&err);
        CHECK(its != WR_CLASS_NONE && its != WR_CLASS_CODE);
        CHECK(strcmp(wr_error_class_name(its), "none") != 0);
    }
    err.code = WR_E_DEADLINE_EXCEEDED;
    CHECK_STR(wr_error_class_name(wr_error_classify(&err)), "timeout");
    err.code = WR_E_ABORTED;
    CHECK_STR(wr_error_class_name(wr_error_classify(&err)), "service");
    err.code = WR_E_RESOURCE_EXHAUSTED;
    CHECK_STR(wr_error_class_name(wr_error_classify(&err)), "rate_limit");
    err.code = 1000;
    CHECK_INT(wr_error_classify(&err), WR_CLASS_SERVICE);
    CHECK_STR(wr_error_class_name(WR_CLASS_CODE), "code");
}
