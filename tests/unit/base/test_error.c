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
