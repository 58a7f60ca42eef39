#include "base/sha256.h"

#include <string.h>

#include "base/encode.h"

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned int n)
{
    return x >> n | x << (32 - n);
}

static void compress(uint32_t state[static 8], const unsigned char *block)
{
    uint32_t w[64];
    for (size_t i = 0; i < 16; i++, block += 4)
        w[i] = (uint32_t)block[0] << 24 | (uint32_t)block[1] << 16 | (uint32_t)block[2] << 8 |
               block[3];
    for (size_t i = 16; i < 64; i++) {
        uint32_t s0 = rotr(w[i - 15], 7) ^ rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = rotr(w[i - 2], 17) ^ rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (size_t i = 0; i < 64; i++) {
        uint32_t s1 = rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25);
        uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + round_constants[i] + w[i];
        uint32_t s0 = rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22);
        uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

void wr_sha256_init(struct wr_sha256 *h)
{
    *h = (struct wr_sha256){
        .state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
                  0x1f83d9ab, 0x5be0cd19},
    };
}

void wr_sha256_update(struct wr_sha256 *h, const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t used = h->total % sizeof(h->block);
    h->total += len;
    if (used > 0) {
        size_t take = WR_MIN(len, sizeof(h->block) - used);
        if (take > 0)
            memcpy(h->block + used, p, take);
        if (used + take < sizeof(h->block))
            return;
        compress(h->state, h->block);
        p += take;
        len -= take;
    }
    for (; len >= sizeof(h->block); len -= sizeof(h->block), p += sizeof(h->block))
        compress(h->state, p);
    if (len > 0)
        memcpy(h->block, p, len);
}

void wr_sha256_final(struct wr_sha256 *h, unsigned char out[static WR_SHA256_LEN])
{
    static const unsigned char padding[64] = {0x80};
    uint64_t bits = h->total * 8;
    size_t used = h->total % sizeof(h->block);
    unsigned char length[8];
    for (size_t i = 0; i < sizeof(length); i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    wr_sha256_update(h, padding, used < 56 ? 56 - used : 120 - used);
    wr_sha256_update(h, length, sizeof(length));
    for (size_t i = 0; i < WR_SHA256_LEN; i++)
        out[i] = (unsigned char)(h->state[i / 4] >> (24 - 8 * (i % 4)));
}

void wr_sha256_hex(const void *data, size_t len, char out[static 2 * WR_SHA256_LEN + 1])
{
    struct wr_sha256 h;
    unsigned char digest[WR_SHA256_LEN];
    wr_sha256_init(&h);
    wr_sha256_update(&h, data, len);
    wr_sha256_final(&h, digest);
    wr_hex_encode(digest, sizeof(digest), out);
}
