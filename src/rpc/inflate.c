#include "rpc/inflate.h"

#include <errno.h>
#include <zlib.h>

#define PIECE      ((size_t)64 * 1024)
#define GZIP_ONLY  16 /* added to the window bits: a gzip header, nothing else */
#define ROUNDS_MAX 1024

static int inflate_all(z_stream *z, struct wr_buf *out, struct wr_error *err)
{
    /* Every round but the last fills its piece, so that the maximum of `out` ends this too. */
    for (int round = 0; round < ROUNDS_MAX; round++) {
        size_t want = WR_MIN(wr_buf_room(out), PIECE);
        char *at = want > 0 ? wr_buf_reserve(out, want) : NULL;
        if (!at)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                           "the message is over the limit of %zu bytes", out->max);
        z->next_out = (unsigned char *)at;
        z->avail_out = (unsigned)want;
        int r = inflate(z, Z_NO_FLUSH);
        wr_buf_commit(out, want - z->avail_out);
        /* Bytes behind the end would be read by some and not by others. */
        if (r == Z_STREAM_END && z->avail_in == 0)
            return 0;
        if (r != Z_OK || z->avail_out > 0)
            break;
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the message is not a whole gzip stream");
}

int wr_inflate(const char *data, size_t len, struct wr_buf *out, struct wr_error *err)
{
    /* zlib reads from a non-const pointer and does not write to it. */
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)len};

    if (len > UINT32_MAX)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the message is too large");
    if (inflateInit2(&z, MAX_WBITS + GZIP_ONLY) != Z_OK)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "a compressed message");
    int rc = inflate_all(&z, out, err);
    (void)inflateEnd(&z);
    return rc;
}
