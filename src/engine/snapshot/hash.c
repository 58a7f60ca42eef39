#include "engine/snapshot/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/encode.h"

#define XXH_INLINE_ALL /* the functions themselves: there is no library to link */
#include <xxhash.h>

/* Stays in the processor's cache between the read and the sum. */
#define READ_BYTES ((size_t)256 * 1024)

static void to_hex(XXH128_hash_t hash, char *ret)
{
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, hash);
    wr_hex_encode(canonical.digest, sizeof(canonical.digest), ret);
}

void wr_hash_bytes(const void *data, size_t len, char ret[static WR_HASH_LEN + 1])
{
    to_hex(XXH3_128bits(data, len), ret);
}

static void free_state(XXH3_state_t **state)
{
    (void)XXH3_freeState(*state);
}

int wr_hash_file(int fd, char ret[static WR_HASH_LEN + 1], uint64_t *ret_bytes)
{
    wr_auto_free char *buffer = wr_calloc(1, READ_BYTES);
    WR_CLEANUP(free_state) XXH3_state_t *state = XXH3_createState();
    uint64_t total = 0;
    if (!buffer || !state || XXH3_128bits_reset(state) == XXH_ERROR)
        return -ENOMEM;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        ssize_t n = pread(fd, buffer, READ_BYTES, (off_t)total);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        (void)XXH3_128bits_update(state, buffer, (size_t)n);
        total += (uint64_t)n;
    }
    to_hex(XXH3_128bits_digest(state), ret);
    *ret_bytes = total;
    return 0;
}
