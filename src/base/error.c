#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/str.h"

struct code_row {
    const char *name;
    int http_status;
    enum wr_error_class error_class;
};

/* Indexed by enum wr_code; HTTP statuses as in the Connect protocol. */
static const struct code_row codes[WR_E_MAX_] = {
    [WR_OK] = {"ok", 200, WR_CLASS_NONE},
    [WR_E_CANCELED] = {"canceled", 499, WR_CLASS_CANCELED},
    [WR_E_UNKNOWN] = {"unknown", 500, WR_CLASS_SERVICE},
    [WR_E_INVALID_ARGUMENT] = {"invalid_argument", 400, WR_CLASS_INPUT},
    [WR_E_DEADLINE_EXCEEDED] = {"deadline_exceeded", 504, WR_CLASS_TIMEOUT},
    [WR_E_NOT_FOUND] = {"not_found", 404, WR_CLASS_INPUT},
    [WR_E_ALREADY_EXISTS] = {"already_exists", 409, WR_CLASS_INPUT},
    [WR_E_PERMISSION_DENIED] = {"permission_denied", 403, WR_CLASS_ACCESS},
    [WR_E_RESOURCE_EXHAUSTED] = {"resource_exhausted", 429, WR_CLASS_RATE_LIMIT},
    [WR_E_FAILED_PRECONDITION] = {"failed_precondition", 400, WR_CLASS_INPUT},
    [WR_E_ABORTED] = {"aborted", 409, WR_CLASS_SERVICE},
    [WR_E_OUT_OF_RANGE] = {"out_of_range", 400, WR_CLASS_INPUT},
    [WR_E_UNIMPLEMENTED] = {"unimplemented", 501, WR_CLASS_INPUT},
    [WR_E_INTERNAL] = {"internal", 500, WR_CLASS_SERVICE},
    [WR_E_UNAVAILABLE] = {"unavailable", 503, WR_CLASS_SERVICE},
    [WR_E_DATA_LOSS] = {"data_loss", 500, WR_CLASS_SERVICE},
    [WR_E_UNAUTHENTICATED] = {"unauthenticated", 401, WR_CLASS_ACCESS},
};

#define EXIT_STATUS_BASE 63

/* The code may come out of a message of another process: anything unknown counts as UNKNOWN. */
static const struct code_row *row_of(enum wr_code code)
{
    return (unsigned int)code < WR_E_MAX_ ? &codes[code] : &codes[WR_E_UNKNOWN];
}

/* One byte more than a message, so that a text that does not fit is cut between two characters. */
#define WHOLE_SIZE (sizeof(((struct wr_error *)NULL)->msg) + 1)

static void take_msg(struct wr_error *err, const char whole[static WHOLE_SIZE])
{
    size_t len = wr_utf8_prefix(whole, sizeof(err->msg) - 1);

    memcpy(err->msg, whole, len);
    err->msg[len] = '\0';
    wr_utf8_make_line(err->msg);
}

WR_PRINTF(4, 0)
static int fail_v(struct wr_error *err, enum wr_code code, int os_errno, const char *fmt,
                  va_list ap)
{
    char whole[WHOLE_SIZE];

    int n = vsnprintf(whole, sizeof(whole), fmt, ap);
    if (os_errno != 0 && n >= 0 && (size_t)n < sizeof(whole))
        (void)snprintf(whole + n, sizeof(whole) - (size_t)n, ": %s", wr_errno_text(os_errno));
    err->code = (int)code;
    err->os_errno = os_errno;
    err->retry_after_ms = 0;
    take_msg(err, whole);
    return -(int)code;
}

int wr_fail(struct wr_error *err, enum wr_code code, int os_errno, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = fail_v(err, code, os_errno, fmt, ap);
    va_end(ap);
    return r;
}

int wr_fail_errno(struct wr_error *err, enum wr_code code, const char *fmt, ...)
{
    int os_errno = errno;
    va_list ap;
    va_start(ap, fmt);
    int r = fail_v(err, code, os_errno, fmt, ap);
    va_end(ap);
    return r;
}

int wr_wrap(struct wr_error *err, const char *fmt, ...)
{
    char whole[WHOLE_SIZE];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(whole, sizeof(whole), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(whole))
        (void)!wr_strformat(whole + n, sizeof(whole) - (size_t)n, ": %.*s",
                            (int)sizeof(err->msg) - 1, err->msg);
    take_msg(err, whole);
    return -err->code;
}

int wr_error_received(struct wr_error *err)
{
    err->msg[sizeof(err->msg) - 1] = '\0';
    if (err->code < 0 || err->code >= WR_E_MAX_)
        err->code = WR_E_INTERNAL;
    return -err->code;
}

const char *wr_code_name(enum wr_code code)
{
    return row_of(code)->name;
}

enum wr_error_class wr_error_classify(const struct wr_error *err)
{
    return row_of((enum wr_code)err->code)->error_class;
}

const char *wr_error_class_name(enum wr_error_class error_class)
{
    static const struct {
        enum wr_error_class error_class;
        const char *name;
    } names[] = {
        {WR_CLASS_INPUT, "input"},
        {WR_CLASS_TIMEOUT, "timeout"},
        {WR_CLASS_RATE_LIMIT, "rate_limit"},
        {WR_CLASS_SERVICE, "service"},
        {WR_CLASS_ACCESS, "access"},
        {WR_CLASS_CANCELED, "canceled"},
        {WR_CLASS_CODE, "code"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (names[i].error_class == error_class)
            return names[i].name;
    return "none";
}

int wr_code_http_status(enum wr_code code)
{
    return row_of(code)->http_status;
}

int wr_code_exit_status(enum wr_code code)
{
    if (code == WR_OK)
        return 0;
    return EXIT_STATUS_BASE + (int)(row_of(code) - codes);
}

enum wr_code wr_code_from_name(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(codes); i++)
        if (wr_streq(codes[i].name, name))
            return (enum wr_code)i;
    return WR_E_UNKNOWN;
}

const char *wr_errno_text(int os_errno)
{
    const char *text = strerrordesc_np(os_errno);
    return text ? text : "unknown system error";
}

enum wr_code wr_code_from_errno(int os_errno)
{
    switch (os_errno) {
    case 0:
        return WR_OK;
    case ENOENT:
    case ESRCH:
    case ENOTDIR:
    case ENXIO:
    case ENODEV:
        return WR_E_NOT_FOUND;
    case EEXIST:
        return WR_E_ALREADY_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return WR_E_PERMISSION_DENIED;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EISDIR:
    case EILSEQ:
        return WR_E_INVALID_ARGUMENT;
    case ENOSPC:
    case EDQUOT:
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
    case EFBIG:
    case EMSGSIZE:
    case EUSERS:
        return WR_E_RESOURCE_EXHAUSTED;
    case EBUSY:
    case ENOTEMPTY:
    case ETXTBSY:
    case EXDEV:
        return WR_E_FAILED_PRECONDITION;
    case ERANGE:
        return WR_E_OUT_OF_RANGE;
    case ENOSYS:
    case EOPNOTSUPP:
        return WR_E_UNIMPLEMENTED;
    case ETIMEDOUT:
        return WR_E_DEADLINE_EXCEEDED;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return WR_E_UNAVAILABLE;
    case ECANCELED:
        return WR_E_CANCELED;
    default:
        return WR_E_INTERNAL;
    }
}
