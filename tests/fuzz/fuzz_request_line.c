/* The first bytes of a connection: what has a whole first line is decided, and decided as HTTP only
 * when a version of it is named (or it is one of 0.9); more bytes behind that line change nothing.
 */
#include "base/str.h"
#include "fuzz.h"
#include "server/ingress/request_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    enum wr_first_line whole = wr_first_line(bytes, size);
    size_t start = 0;

    while (start < size && (data[start] == '\r' || data[start] == '\n'))
        start++;
    const char *end = memchr(bytes + start, '\n', size - start);
    if (!end || size >= WR_FIRST_MAX)
        return 0;
    HOLDS(whole != WR_FIRST_MORE);
    HOLDS(whole == wr_first_line(bytes, (size_t)(end - bytes) + 1));
    if (whole == WR_FIRST_OTHER || wr_memcaseeq(bytes + start, WR_MIN(size - start, 5), "GET /", 5))
        return 0;
    for (const char *p = bytes + start; !wr_memcaseeq(p, 5, "HTTP/", 5); p++)
        HOLDS(p + 5 < end);
    return 0;
}
