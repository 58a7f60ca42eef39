/* The first bytes of a connection: once decided, more bytes do not change the decision, and what
 * counts as HTTP is a line that ends with a version of it. */
#include <string.h>

#include "fuzz.h"
#include "server/ingress/request_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    enum wr_first_line whole = wr_first_line(bytes, size), before = WR_FIRST_MORE;

    for (size_t len = 0; len <= size && len < 2048; len++) {
        enum wr_first_line now = wr_first_line(bytes, len);
        HOLDS(before == WR_FIRST_MORE || now == before);
        before = now;
    }
    HOLDS(size >= 2048 || before == whole);
    if (whole == WR_FIRST_HTTP && size < WR_FIRST_MAX)
        HOLDS(memmem(data, size, " HTTP/1.", 8));
    return 0;
}
