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

/* Whether a whole line names a version of HTTP, or is a request of the one that had no name (0.9).
 * One that is not well-formed counts too: HTTP refuses it, nobody else shall interpret it. */
static bool is_http(const char *line, size_t len)
{
    static const char name[] = "HTTP/", simple[] = "GET /";
    const size_t n = sizeof name - 1;

    if (len >= sizeof simple - 1 && memcmp(line, simple, sizeof simple - 1) == 0)
        return true;
    for (size_t i = 0; i + n <= len; i++)
        if (wr_memcaseeq(line + i, n, name, n))
            return true;
    return false;
}

enum wr_first_line wr_first_line(const char *data, size_t len)
{
    /* An empty line before a request is allowed (RFC 9112 2.2). */
    while (len > 0 && (*data == '\r' || *data == '\n')) {
        data++;
        len--;
    }
    const char *end = memchr(data, '\n', WR_MIN(len, (size_t)WR_FIRST_MAX));
    if (end)
        return is_http(data, (size_t)(end - data)) ? WR_FIRST_HTTP : WR_FIRST_OTHER;

    size_t method = method_len(data, len);
    if (method > WR_HTTP_MAX_METHOD || (method < len && (method == 0 || data[method] != ' ')))
        return WR_FIRST_OTHER;
    return len >= WR_FIRST_MAX ? WR_FIRST_HTTP : WR_FIRST_MORE;
}
