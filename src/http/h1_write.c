#include <errno.h>
#include <stdio.h>

#include "base/str.h"
#include "http/h1.h"
#include "http/h1_chars.h"

struct piece {
    const char *data;
    size_t len;
};

/* All pieces or none. */
static int put(struct wr_buf *out, const struct piece *pieces, size_t count)
{
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > wr_buf_room(out) - total)
            return -ENOBUFS;
        total += pieces[i].len;
    }
    char *to = wr_buf_reserve(out, total);
    if (!to)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].len > 0)
            memcpy(to, pieces[i].data, pieces[i].len);
        to += pieces[i].len;
    }
    wr_buf_commit(out, total);
    return 0;
}

int wr_h1_write_request(struct wr_buf *out, const char *method, const char *target)
{
    size_t method_len = strlen(method), target_len = strlen(target);

    if (method_len == 0 || method_len > WR_HTTP_MAX_METHOD ||
        !wr_h1_all(method, method_len, WR_H1_TOKEN) || target_len == 0 ||
        target_len > WR_HTTP_MAX_TARGET || !wr_h1_all(target, target_len, WR_H1_TARGET))
        return -EINVAL;
    const struct piece pieces[] = {
        {method, method_len}, {" ", 1}, {target, target_len}, {" HTTP/1.1\r\n", 11}};
    return put(out, pieces, WR_ARRAY_SIZE(pieces));
}

int wr_h1_write_status(struct wr_buf *out, int status, const char *reason)
{
    char start[16];

    if (!reason)
        reason = wr_h1_reason(status);
    size_t reason_len = strlen(reason);
    if (status < 100 || status > 999 || !wr_h1_all(reason, reason_len, WR_H1_VALUE))
        return -EINVAL;
    int start_len = snprintf(start, sizeof(start), "HTTP/1.1 %d ", status);
    const struct piece pieces[] = {{start, (size_t)start_len}, {reason, reason_len}, {"\r\n", 2}};
    return put(out, pieces, WR_ARRAY_SIZE(pieces));
}

int wr_h1_write_header_n(struct wr_buf *out, const char *name, size_t name_len, const char *value,
                         size_t value_len)
{
    if (name_len == 0 || !wr_h1_all(name, name_len, WR_H1_TOKEN) ||
        !wr_h1_all(value, value_len, WR_H1_VALUE))
        return -EINVAL;
    const struct piece pieces[] = {{name, name_len}, {": ", 2}, {value, value_len}, {"\r\n", 2}};
    return put(out, pieces, WR_ARRAY_SIZE(pieces));
}

int wr_h1_write_header(struct wr_buf *out, const char *name, const char *value)
{
    return wr_h1_write_header_n(out, name, strlen(name), value, strlen(value));
}

int wr_h1_write_end(struct wr_buf *out)
{
    return wr_buf_append(out, "\r\n", 2);
}

int wr_h1_write_last_chunk(struct wr_buf *out)
{
    return wr_buf_append(out, "0\r\n\r\n", 5);
}

const char *wr_h1_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } table[] = {
        {100, "Continue"},
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(table); i++)
        if (table[i].status == status)
            return table[i].reason;
    return "Unknown";
}
