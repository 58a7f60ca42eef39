#include "template/template_id.h"

#include <string.h>

#include "base/sha256.h"

static void digest(const char *what, const char *name, uint64_t number,
                   unsigned char out[static WR_SHA256_LEN])
{
    struct wr_sha256 hash;
    unsigned char bytes[8];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(number >> (8 * i));
    wr_sha256_init(&hash);
    wr_sha256_update(&hash, what, strlen(what) + 1);
    wr_sha256_update(&hash, name, strlen(name) + 1);
    wr_sha256_update(&hash, bytes, sizeof bytes);
    wr_sha256_final(&hash, out);
}

void wr_template_id(const char *name, char out[static WR_TEMPLATE_ID_LEN + 1])
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    unsigned char hash[WR_SHA256_LEN];

    digest("warren template", name, 0, hash);
    for (size_t i = 0; i < WR_TEMPLATE_ID_LEN; i++)
        out[i] = set[hash[i] % (sizeof set - 1)];
    out[WR_TEMPLATE_ID_LEN] = '\0';
}

void wr_template_build_id(const char *name, uint64_t created_ms,
                          char out[static WR_BUILD_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char hash[WR_SHA256_LEN];
    char *p = out;

    digest("warren build", name, created_ms, hash);
    hash[6] = (unsigned char)((hash[6] & 0x0f) | 0x40); /* version 4 */
    hash[8] = (unsigned char)((hash[8] & 0x3f) | 0x80); /* variant of RFC 9562 */
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        *p++ = digits[hash[i] >> 4];
        *p++ = digits[hash[i] & 15];
    }
    *p = '\0';
}
