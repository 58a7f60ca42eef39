#include "server/ingress/request_line.h"

#include <stdbool.h>
#include <string.h>

#include "base/str.h"
#include "http/limits.h"

/* Methods are words of capitals: every one that is in use, and few first words of other protocols.
 */
static size_t method_len(const char *data, size_t len)
{
    size_t n = 0;

    while (n < len && ((data[n] >= 'A' && data[n] <= 'Z') || data[n] == '-'))
        n++;
    return n;
}

/* "HTTP/1.0" or "HTTP/1.1" at the end of the line behind a space. */
static bool ends_with_version(const char *line, size_t len)
{
    static const char version[] = " HTTP/1.";
    const size_t n = sizeof version - 1;

    if (len > 0 && line[len - 1] == '\r')
        len--;
    return len > n && memcmp(line + len - n - 1, version, n) == 0 && line[len - 1] >= '0' &&
           line[len - 1] <= '9';
}

enum wr_first_line wr_first_line(const char *data, size_t len)
{
    /* An empty line before a request is allowed (RFC 9112 2.2). */
    while (len > 0 && (*data == '\r' || *data == '\n')) {
        data++;
        len--;
    }
    size_t method = method_len(data, len);

    if (method == len)
        return len > WR_HTTP_MAX_METHOD ? WR_FIRST_OTHER : WR_FIRST_MORE;
    if (method == 0 || method > WR_HTTP_MAX_METHOD || data[method] != ' ')
        return WR_FIRST_OTHER;
    const char *end = memchr(data, '\n', len);
    if (end)
        return ends_with_version(data, (size_t)(end - data)) ? WR_FIRST_HTTP : WR_FIRST_OTHER;
    return len >= WR_FIRST_MAX ? WR_FIRST_HTTP : WR_FIRST_MORE;
}
