/* Base64 from clients and sandboxes: what decodes is within its bound, encodes back to text that
 * decodes to the same, and may be decoded in place. */
#include "base/encode.h"
#include "fuzz.h"

#define MAX_TEXT ((size_t)4096)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MAX_TEXT], bytes[MAX_TEXT / 4 * 3 + 3], again[MAX_TEXT / 4 * 3 + 3];
    static char encoded[WR_BASE64_LEN(MAX_TEXT)];

    if (size > MAX_TEXT)
        return 0;
    ssize_t n = wr_base64_decode((const char *)data, size, bytes);
    memcpy(text, data, size);
    HOLDS(wr_base64_decode(text, size, text) == n);
    if (n < 0)
        return 0;
    HOLDS((size_t)n <= size / 4 * 3 + 3 && memcmp(text, bytes, (size_t)n) == 0);
    size_t len = wr_base64_encode(bytes, (size_t)n, encoded);
    HOLDS(len == WR_BASE64_LEN((size_t)n));
    HOLDS(wr_base64_decode(encoded, len, again) == n && memcmp(again, bytes, (size_t)n) == 0);
    return 0;
}
