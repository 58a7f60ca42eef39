#include "server/store/uuid.h"

#include "base/encode.h"
#include "base/rand.h"

/* Hex characters of each group. */
static const size_t groups[] = {8, 4, 4, 4, 12};

void wr_uuid_new(char out[static WR_UUID_LEN + 1])
{
    unsigned char bytes[16];
    char hex[2 * sizeof bytes + 1];
    size_t from = 0, to = 0;

    wr_random_bytes(bytes, sizeof bytes);
    bytes[6] = (unsigned char)((bytes[6] & 0x0f) | 0x40);
    bytes[8] = (unsigned char)((bytes[8] & 0x3f) | 0x80);
    wr_hex_encode(bytes, sizeof bytes, hex);
    for (size_t i = 0; i < WR_ARRAY_SIZE(groups); i++) {
        for (size_t j = 0; j < groups[i]; j++)
            out[to++] = hex[from++];
        out[to++] = '-';
    }
    out[WR_UUID_LEN] = '\0';
}

bool wr_uuid_valid(const char *s)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(groups); i++) {
        for (size_t j = 0; j < groups[i]; j++, s++)
            if (wr_hex_value(*s) < 0)
                return false;
        if (*s != (i + 1 < WR_ARRAY_SIZE(groups) ? '-' : '\0'))
            return false;
        s++;
    }
    return true;
}
