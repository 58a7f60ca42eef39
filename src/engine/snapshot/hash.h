/* Checksums of what lies on the disk: XXH3 of 128 bits, in hex. They find damage, not malice. */
#pragma once

#include "base/base.h"

#define WR_HASH_LEN 32

void wr_hash_bytes(const void *data, size_t len, char ret[static WR_HASH_LEN + 1]);
/* Of a regular file, from its beginning; *ret_bytes is what was read. 0 or -errno. */
int wr_hash_file(int fd, char ret[static WR_HASH_LEN + 1], uint64_t *ret_bytes) WR_MUST_CHECK;
