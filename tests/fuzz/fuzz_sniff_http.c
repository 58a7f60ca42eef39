/* The start of an HTTP connection: what was found in a prefix is found in all of it, and the name
 * is a host name that is written in the request. */
#include "base/str.h"
#include "fuzz.h"
#include "server/egress/sniff.h"

#define ALLOWED "abcdefghijklmnopqrstuvwxyz0123456789-_."

static bool is_written(const char *data, size_t size, const char *name)
{
    size_t len = strlen(name);

    for (size_t at = 0; at + len <= size; at++)
        if (wr_memcaseeq(data + at, len, name, len))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *data = (const char *)bytes;
    char name[254] = "untouched", other[254];

    enum wr_sniff whole = wr_sniff_http(data, size, name);
    HOLDS(whole == WR_SNIFF_NAME || wr_streq(name, "untouched"));
    HOLDS(whole != WR_SNIFF_NAME || wr_str_only(name, ALLOWED, 1, 253));
    HOLDS(whole != WR_SNIFF_NAME || is_written(data, size, name));
    HOLDS(whole != WR_SNIFF_MORE || size < WR_SNIFF_MAX);
    for (size_t len = 0; len < size; len += size / 64 + 1) {
        enum wr_sniff r = wr_sniff_http(data, len, other);
        HOLDS(r == WR_SNIFF_MORE || r == whole);
    }
    return 0;
}
