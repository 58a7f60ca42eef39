/* API keys: what is accepted has the prefix and whole bytes in hex, and hashes of two spellings of
 * the same bytes agree. */
#include "base/encode.h"
#include "base/sha256.h"
#include "fuzz.h"
#include "server/auth/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t hash[32], again[32], bytes[WR_KEY_HEX_MAX / 2];
    char hex[WR_KEY_HEX_MAX + 1], expected[65], found[65];
    /* A copy without slack behind it, so that a read past the end is seen. */
    char *text = calloc(1, size > 0 ? size : 1);

    HOLDS(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    memset(hash, 0xee, sizeof hash);
    if (!wr_key_hash(text, size, hash)) {
        HOLDS(hash[0] == 0xee && hash[31] == 0xee);
        free(text);
        return 0;
    }
    HOLDS(size > 4 && size % 2 == 0 && size - 4 <= WR_KEY_HEX_MAX && memcmp(text, "e2b_", 4) == 0);
    size_t len = (size - 4) / 2;
    for (size_t i = 0; i < len; i++) {
        int high = wr_hex_value(text[4 + 2 * i]), low = wr_hex_value(text[5 + 2 * i]);
        HOLDS(high >= 0 && low >= 0);
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    wr_sha256_hex(bytes, len, expected);
    wr_hex_encode(hash, sizeof hash, found);
    HOLDS(strcmp(expected, found) == 0);
    wr_hex_encode(bytes, len, hex);
    memcpy(text + 4, hex, 2 * len);
    HOLDS(wr_key_hash(text, size, again) && memcmp(hash, again, sizeof hash) == 0);
    free(text);
    return 0;
}
