#include "server/volume_token.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"

/* The text: "wrv1_" end (12 hex characters) "_" team "_" HMAC (64 hex characters). */
#define PREFIX   "wrv1_"
#define END_LEN  12
#define TEAM_AT  (sizeof PREFIX - 1 + END_LEN + 1)
#define MAC_AT   (TEAM_AT + WR_UUID_LEN + 1)
#define KEY_FILE "volume-tokens.key"

_Static_assert(MAC_AT + 64 == WR_VOLUME_TOKEN_LEN, "the parts make a token");

static int read_key(int dir, struct wr_volume_key *ret)
{
    wr_auto_buf text = WR_BUF(sizeof ret->bytes);

    int r = wr_file_read(dir, KEY_FILE, &text);
    if (r == 0 && text.len != sizeof ret->bytes)
        r = -EBADMSG;
    if (r == 0)
        memcpy(ret->bytes, wr_buf_ptr(&text), sizeof ret->bytes);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    return r == -EFBIG ? -EBADMSG : r;
}

int wr_volume_key_load(const char *dir, struct wr_volume_key *ret, struct wr_error *err)
{
    struct wr_volume_key key = {{0}};
    wr_auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    int r = fd < 0 ? -errno : read_key(fd, &key);
    if (r == -EBADMSG)
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "%.120s/" KEY_FILE " is no key; remove it, and tokens that were given out "
                       "end",
                       dir);
    if (r == -ENOENT && fd >= 0) {
        wr_random_bytes(key.bytes, sizeof key.bytes);
        r = wr_file_replace(fd, KEY_FILE, key.bytes, sizeof key.bytes, 0600, WR_DURABLE);
    }
    if (r == 0)
        *ret = key;
    explicit_bzero(&key, sizeof key);
    return r < 0 ? wr_fail(err, WR_E_INTERNAL, -r, "key of volumes, %.120s/" KEY_FILE, dir) : 0;
}

/* Over everything before the HMAC, and the volume. */
static void sign(const struct wr_volume_key *key, const char *volume_id, const char *text,
                 char out[static 65])
{
    char message[MAC_AT + WR_UUID_LEN];
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;

    memcpy(message, text, MAC_AT);
    memcpy(message + MAC_AT, volume_id, WR_UUID_LEN);
    if (!HMAC(EVP_sha256(), key->bytes, sizeof key->bytes, (const unsigned char *)message,
              sizeof message, mac, &mac_len) ||
        mac_len != 32)
        abort(); /* a libcrypto without SHA-256 */
    wr_hex_encode(mac, mac_len, out);
}

void wr_volume_token_make(const struct wr_volume_key *key, const char *volume_id,
                          const char *team_id, uint64_t end_s,
                          char out[static WR_VOLUME_TOKEN_LEN + 1])
{
    char mac[65];

    out[0] = '\0';
    if (strlen(volume_id) != WR_UUID_LEN ||
        !wr_strformat(out, WR_VOLUME_TOKEN_LEN + 1, PREFIX "%0*llx_%.*s_", END_LEN,
                      (unsigned long long)end_s, WR_UUID_LEN, team_id))
        return;
    sign(key, volume_id, out, mac);
    memcpy(out + MAC_AT, mac, sizeof mac);
}

static bool read_end(const char *text, uint64_t *ret)
{
    uint64_t end_s = 0;

    for (size_t i = 0; i < END_LEN; i++) {
        int digit = wr_hex_value(text[i]);
        if (digit < 0)
            return false;
        end_s = end_s << 4 | (uint64_t)digit;
    }
    *ret = end_s;
    return true;
}

enum wr_volume_token_state wr_volume_token_check(const struct wr_volume_key *key,
                                                 const char *volume_id, const char *text,
                                                 uint64_t now_s,
                                                 char ret_team_id[static WR_UUID_LEN + 1])
{
    char mac[65], team_id[WR_UUID_LEN + 1] = "";
    uint64_t end_s = 0;

    if (strlen(text) != WR_VOLUME_TOKEN_LEN || strlen(volume_id) != WR_UUID_LEN)
        return WR_VOLUME_TOKEN_BAD;
    sign(key, volume_id, text, mac);
    if (!wr_memeq_consttime(mac, text + MAC_AT, sizeof mac - 1))
        return WR_VOLUME_TOKEN_BAD;
    /* From here on it is what this server has written. */
    memcpy(team_id, text + TEAM_AT, WR_UUID_LEN);
    if (!wr_starts_with(text, PREFIX) || !read_end(text + sizeof PREFIX - 1, &end_s) ||
        !wr_uuid_valid(team_id))
        return WR_VOLUME_TOKEN_BAD;
    if (now_s >= end_s)
        return WR_VOLUME_TOKEN_EXPIRED;
    memcpy(ret_team_id, team_id, sizeof team_id);
    return WR_VOLUME_TOKEN_GOOD;
}
