#include "base/encode.h"
#include "base/sha256.h"
#include "test.h"

static const char *hex(const char *text)
{
    static char out[2 * WR_SHA256_LEN + 1];
    wr_sha256_hex(text, strlen(text), out);
    return out;
}

TEST(nist_vectors)
{
    CHECK_STR(hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_STR(hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_STR(hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK_STR(hex("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmno"
                  "ijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu"),
              "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

/* One million "a", in pieces that cross the blocks in every way. */
TEST(million_in_pieces)
{
    struct wr_sha256 h;
    static char piece[1000];
    memset(piece, 'a', sizeof(piece));
    wr_sha256_init(&h);
    size_t left = 1000000, size = 0;
    while (left > 0) {
        size_t n = WR_MIN(left, size++ % sizeof(piece));
        wr_sha256_update(&h, piece, n);
        left -= n;
    }
    unsigned char digest[WR_SHA256_LEN];
    char out[2 * WR_SHA256_LEN + 1];
    wr_sha256_final(&h, digest);
    wr_hex_encode(digest, sizeof(digest), out);
    CHECK_STR(out, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(one_call_equals_byte_by_byte_around_the_block_size)
{
    static char data[200];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (char)i;
    for (size_t len = 0; len <= sizeof(data); len++) {
        char a[2 * WR_SHA256_LEN + 1], b[2 * WR_SHA256_LEN + 1];
        unsigned char digest[WR_SHA256_LEN];
        struct wr_sha256 h;
        wr_sha256_init(&h);
        for (size_t i = 0; i < len; i++)
            wr_sha256_update(&h, data + i, 1);
        wr_sha256_final(&h, digest);
        wr_hex_encode(digest, sizeof(digest), a);
        wr_sha256_hex(data, len, b);
        CHECK_STR(a, b);
    }
}
