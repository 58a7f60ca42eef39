/* Compressed uploads and messages. What either decoder makes of the bytes does not depend on the
 * pieces that they come in and stays within its bound; what is packed here is unpacked again. */
#include "agent/fs/gzip.h"
#include "base/buf.h"
#include "fuzz.h"
#include "rpc/inflate.h"

#define MAX_PLAIN ((size_t)256 * 1024)

static int collect(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    if (wr_buf_append(data, bytes, len) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "too large");
    return 0;
}

static void pack(const char *bytes, size_t len, void *data)
{
    HOLDS(wr_buf_append(data, bytes, len) == 0);
}

/* 0 or the refusal of a stream that comes in pieces. */
static int unpack(const char *data, size_t size, size_t piece, struct wr_buf *plain)
{
    struct wr_gunzip *gunzip = NULL;
    struct wr_error err = {0};
    int r = 0;

    HOLDS(wr_gunzip_new(collect, plain, &gunzip, &err) == 0);
    for (size_t pos = 0; r == 0 && pos < size; pos += piece)
        r = wr_gunzip_feed(gunzip, data + pos, size - pos < piece ? size - pos : piece, &err);
    if (r == 0)
        r = wr_gunzip_finish(gunzip, &err);
    HOLDS(r == 0 || r == -err.code);
    wr_gunzip_free(gunzip);
    return r;
}

static bool same(const struct wr_buf *a, const struct wr_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(wr_buf_ptr(a), wr_buf_ptr(b), a->len) == 0);
}

static void check_round_trip(const char *data, size_t size)
{
    wr_auto_buf packed = WR_BUF(4 * MAX_PLAIN), plain = WR_BUF(MAX_PLAIN);
    wr_auto_buf message = WR_BUF(MAX_PLAIN);
    struct wr_gzip *gzip = wr_gzip_new(pack, &packed);
    struct wr_error err = {0};

    HOLDS(gzip);
    wr_gzip_feed(gzip, data, size / 2, false);
    wr_gzip_feed(gzip, data + size / 2, size - size / 2, true);
    wr_gzip_free(gzip);
    HOLDS(unpack(wr_buf_ptr(&packed), packed.len, 100, &plain) == 0);
    HOLDS(wr_inflate(wr_buf_ptr(&packed), packed.len, &message, &err) == 0);
    HOLDS(same(&plain, &message) && plain.len == size);
    HOLDS(size == 0 || memcmp(wr_buf_ptr(&plain), data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_buf whole = WR_BUF(MAX_PLAIN), pieces = WR_BUF(MAX_PLAIN);
    wr_auto_buf message = WR_BUF(MAX_PLAIN);
    struct wr_error err = {0};

    if (size > MAX_PLAIN / 4)
        return 0;
    int r = unpack((const char *)data, size, size + 1, &whole);
    /* Where it is both too large and broken, the pieces decide what is seen first. */
    HOLDS((unpack((const char *)data, size, 7, &pieces) < 0) == (r < 0));
    HOLDS(r < 0 || same(&whole, &pieces));
    /* A message is one member; an upload may have several. */
    if (wr_inflate((const char *)data, size, &message, &err) == 0)
        HOLDS(r == 0 && same(&whole, &message));
    check_round_trip((const char *)data, size);
    return 0;
}
