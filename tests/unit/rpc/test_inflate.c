#include <stdlib.h>
#include <zlib.h>

#include "rpc/inflate.h"
#include "test.h"

static struct wr_error err;

/* A gzip stream of `len` bytes; owned by the caller. */
static char *gzip(const char *data, size_t len, size_t *ret_len)
{
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)len};
    size_t cap = len + 1024;
    char *out = malloc(cap);

    CHECK(out != NULL);
    CHECK_INT(deflateInit2(&z, 9, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)cap;
    CHECK_INT(deflate(&z, Z_FINISH), Z_STREAM_END);
    *ret_len = cap - z.avail_out;
    CHECK_INT(deflateEnd(&z), Z_OK);
    return out;
}

TEST(whole_streams)
{
    static const size_t sizes[] = {0, 1, 2, 65535, 65536, 65537, 131072, 200000};
    char *data = malloc(200000);
    CHECK(data != NULL);
    for (size_t i = 0; i < 200000; i++)
        data[i] = (char)(i * i / 7);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        wr_auto_buf out = WR_BUF(300000);
        size_t len = 0;
        char *packed = gzip(data, sizes[i], &len);
        CHECK_INT(wr_inflate(packed, len, &out, &err), 0);
        CHECK_INT(out.len, sizes[i]);
        CHECK(out.len == 0 || memcmp(wr_buf_ptr(&out), data, out.len) == 0);
        free(packed);
    }
    free(data);
}

TEST(a_bomb_stops_at_the_maximum)
{
    wr_auto_buf out = WR_BUF(1000000);
    size_t len = 0;
    char *zeros = calloc(1, 5000000);
    CHECK(zeros != NULL);
    char *packed = gzip(zeros, 5000000, &len);
    CHECK(len < 10000);
    CHECK_INT(wr_inflate(packed, len, &out, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(out.len, 1000000);
    free(packed);
    free(zeros);
}

TEST(other_bytes_are_refused)
{
    size_t len = 0;
    char *packed = gzip("some text", 9, &len);
    for (size_t cut = 0; cut < len; cut++) {
        wr_auto_buf out = WR_BUF(100);
        CHECK_INT(wr_inflate(packed, cut, &out, &err), -WR_E_INVALID_ARGUMENT);
    }
    wr_auto_buf out = WR_BUF(100);
    CHECK_INT(wr_inflate("{\"plain\":1}", 11, &out, &err), -WR_E_INVALID_ARGUMENT);
    /* Anything behind the end, a second member included. */
    char *twice = malloc(2 * len);
    memcpy(twice, packed, len);
    memcpy(twice + len, packed, len);
    CHECK_INT(wr_inflate(twice, len + 1, &out, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_inflate(twice, 2 * len, &out, &err), -WR_E_INVALID_ARGUMENT);
    free(twice);
    free(packed);
}
