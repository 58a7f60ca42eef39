/* The start of a TLS connection: what was found in a prefix is found in all of it, the name is a
 * host name, and how the handshake is cut into records does not matter. The first byte is the size
 * of the pieces. */
#include "base/str.h"
#include "fuzz.h"
#include "server/egress/sniff.h"

#define ALLOWED "abcdefghijklmnopqrstuvwxyz0123456789-_."

static void check_prefixes(const uint8_t *data, size_t size, enum wr_sniff whole, size_t step)
{
    char name[254];

    for (size_t len = 0; len < size; len += step) {
        enum wr_sniff r = wr_sniff_tls(data, len, name);
        HOLDS(r == WR_SNIFF_MORE || r == whole);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[254] = "untouched", again[254] = "";
    uint8_t cut[4096];
    size_t len = 0;

    if (size == 0)
        return 0;
    size_t piece = (size_t)data[0] + 1;
    data++;
    size--;
    enum wr_sniff whole = wr_sniff_tls(data, size, name);
    HOLDS(whole == WR_SNIFF_NAME || wr_streq(name, "untouched"));
    HOLDS(whole != WR_SNIFF_NAME || wr_str_only(name, ALLOWED, 1, 253));
    HOLDS(whole != WR_SNIFF_MORE || size < WR_SNIFF_MAX);
    check_prefixes(data, size, whole, size / 64 + 1);
    /* The same message without its record, in records of another size. */
    if (size < 5 || whole != WR_SNIFF_NAME)
        return 0;
    size_t record = (size_t)data[3] << 8 | data[4];
    if (record + 5 != size)
        return 0;
    for (size_t at = 0; at < record; at += piece) {
        size_t part = record - at < piece ? record - at : piece;
        if (len + 5 + part > sizeof cut)
            return 0;
        const uint8_t header[] = {22, 3, 3, (uint8_t)(part >> 8), (uint8_t)part};
        memcpy(cut + len, header, sizeof header);
        memcpy(cut + len + 5, data + 5 + at, part);
        len += 5 + part;
    }
    HOLDS(wr_sniff_tls(cut, len, again) == WR_SNIFF_NAME && wr_streq(name, again));
    return 0;
}
