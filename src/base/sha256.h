/* SHA-256 (FIPS 180-4). */
#pragma once

#include "base/base.h"

#define WR_SHA256_LEN 32

struct wr_sha256 {
    uint32_t state[8];
    uint64_t total;
    unsigned char block[64];
};

void wr_sha256_init(struct wr_sha256 *h);
void wr_sha256_update(struct wr_sha256 *h, const void *data, size_t len);
void wr_sha256_final(struct wr_sha256 *h, unsigned char out[static WR_SHA256_LEN]);
/* All at once, as 64 lower-case hex digits and a NUL. */
void wr_sha256_hex(const void *data, size_t len, char out[static 2 * WR_SHA256_LEN + 1]);
