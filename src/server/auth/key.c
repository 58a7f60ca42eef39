#include "server/auth/key.h"

#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/rand.h"
#include "base/sha256.h"
#include "base/str.h"

#define PREFIX_LEN (sizeof WR_KEY_PREFIX - 1)
#define KEY_BYTES  ((WR_KEY_TEXT_LEN - PREFIX_LEN) / 2)

_Static_assert(WR_SHA256_LEN == 32, "the store's hashes have 32 bytes");

static void hash_bytes(const void *bytes, size_t len, uint8_t hash[static 32])
{
    struct wr_sha256 h;

    wr_sha256_init(&h);
    wr_sha256_update(&h, bytes, len);
    wr_sha256_final(&h, hash);
    explicit_bzero(&h, sizeof h);
}

bool wr_key_hash(const char *text, size_t len, uint8_t hash[static 32])
{
    uint8_t bytes[WR_KEY_HEX_MAX / 2];

    if (len <= PREFIX_LEN || memcmp(text, WR_KEY_PREFIX, PREFIX_LEN) != 0)
        return false;
    const char *hex = text + PREFIX_LEN;
    size_t hex_len = len - PREFIX_LEN;
    if (hex_len % 2 != 0 || hex_len > WR_KEY_HEX_MAX)
        return false;
    for (size_t i = 0; i < hex_len / 2; i++) {
        int high = wr_hex_value(hex[2 * i]), low = wr_hex_value(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    hash_bytes(bytes, hex_len / 2, hash);
    explicit_bzero(bytes, sizeof bytes);
    return true;
}

void wr_key_new(char text[static WR_KEY_TEXT_LEN + 1], struct wr_api_key *ret)
{
    uint8_t bytes[KEY_BYTES];
    struct wr_api_key key = {.value_len = 2 * KEY_BYTES, .created_ms = wr_wall_ms()};

    wr_random_bytes(bytes, sizeof bytes);
    memcpy(text, WR_KEY_PREFIX, PREFIX_LEN);
    wr_hex_encode(bytes, sizeof bytes, text + PREFIX_LEN);
    hash_bytes(bytes, sizeof bytes, key.hash);
    explicit_bzero(bytes, sizeof bytes);
    wr_uuid_new(key.id);
    memcpy(key.mask_prefix, text + PREFIX_LEN, sizeof key.mask_prefix - 1);
    memcpy(key.mask_suffix, text + WR_KEY_TEXT_LEN + 1 - sizeof key.mask_suffix,
           sizeof key.mask_suffix - 1);
    *ret = key;
}
