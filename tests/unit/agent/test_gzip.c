/* gzip streams in both directions. */
#include "agent/fs/gzip.h"
#include "base/buf.h"
#include "test.h"

static int keep(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    (void)err;
    CHECK_INT(wr_buf_append(data, bytes, len), 0);
    return 0;
}

static int refuse(const char *bytes, size_t len, void *data, struct wr_error *err)
{
    (void)bytes;
    (void)len;
    (void)data;
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "full");
}

static void pack_sink(const char *bytes, size_t len, void *data)
{
    CHECK_INT(wr_buf_append(data, bytes, len), 0);
}

static void pack(struct wr_buf *out, const char *bytes, size_t len, size_t piece)
{
    struct wr_gzip *g = wr_gzip_new(pack_sink, out);
    CHECK(g != NULL);
    for (size_t at = 0; at < len; at += piece)
        wr_gzip_feed(g, bytes + at, WR_MIN(piece, len - at), false);
    wr_gzip_feed(g, NULL, 0, true);
    CHECK(wr_gzip_free(g) == NULL);
}

/* 0 or -WR_E_*. */
static int unpack(struct wr_buf *out, const char *bytes, size_t len, size_t piece)
{
    struct wr_gunzip *g = NULL;
    struct wr_error err;
    CHECK_INT(wr_gunzip_new(keep, out, &g, &err), 0);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < len; at += piece)
        rc = wr_gunzip_feed(g, bytes + at, WR_MIN(piece, len - at), &err);
    if (rc == 0)
        rc = wr_gunzip_finish(g, &err);
    CHECK(wr_gunzip_free(g) == NULL);
    return rc;
}

TEST(what_was_packed_is_unpacked)
{
    const size_t sizes[] = {0, 1, 1000, 65536, 300000};
    char *plain = malloc(300000);
    CHECK(plain != NULL);
    for (size_t i = 0; i < 300000; i++)
        plain[i] = (char)((i * 2654435761U) >> (i % 3 ? 28 : 13));
    for (size_t i = 0; i < WR_ARRAY_SIZE(sizes); i++) {
        wr_auto_buf packed = WR_BUF(1 << 20), whole = WR_BUF(1 << 20), cut = WR_BUF(1 << 20);
        pack(&packed, plain, sizes[i], 65536);
        CHECK_INT(unpack(&whole, wr_buf_ptr(&packed), packed.len, packed.len), 0);
        CHECK_INT(whole.len, sizes[i]);
        CHECK(sizes[i] == 0 || memcmp(wr_buf_ptr(&whole), plain, sizes[i]) == 0);
        CHECK_INT(unpack(&cut, wr_buf_ptr(&packed), packed.len, 1), 0);
        CHECK_INT(cut.len, sizes[i]);
    }
    free(plain);
}

TEST(what_does_not_get_smaller_is_stored_in_between)
{
    const size_t len = 24 * WR_MIB;
    wr_auto_buf packed = WR_BUF(32 * WR_MIB), out = WR_BUF(32 * WR_MIB);
    char *plain = calloc(1, len);
    uint64_t seed = 1;
    CHECK(plain != NULL);
    for (size_t i = 0; i < len / 2; i++) { /* then zeros */
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        plain[i] = (char)(seed >> 56);
    }
    pack(&packed, plain, len, 65536);
    /* Stored: hardly more than it was. Zeros: packed again after at most 4 MiB. */
    CHECK(packed.len > len / 2 && packed.len < len / 2 + 5 * WR_MIB);
    CHECK_INT(unpack(&out, wr_buf_ptr(&packed), packed.len, 65536), 0);
    CHECK_INT(out.len, len);
    CHECK(memcmp(wr_buf_ptr(&out), plain, len) == 0);
    free(plain);
}

TEST(members_follow_each_other)
{
    wr_auto_buf packed = WR_BUF(4096), out = WR_BUF(4096), bytes = WR_BUF(4096);
    pack(&packed, "one", 3, 3);
    pack(&packed, "two", 3, 3);
    CHECK_INT(unpack(&out, wr_buf_ptr(&packed), packed.len, packed.len), 0);
    CHECK_STR(wr_buf_cstr(&out), "onetwo");
    CHECK_INT(unpack(&bytes, wr_buf_ptr(&packed), packed.len, 1), 0);
    CHECK_STR(wr_buf_cstr(&bytes), "onetwo");
}

TEST(what_is_broken_is_refused)
{
    wr_auto_buf packed = WR_BUF(4096), out = WR_BUF(1 << 20);
    pack(&packed, "some text", 9, 9);
    size_t len = packed.len;
    for (size_t cut = 0; cut < len; cut++)
        CHECK_INT(unpack(&out, wr_buf_ptr(&packed), cut, len), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_buf_append(&packed, "garbage", 7), 0);
    CHECK_INT(unpack(&out, wr_buf_ptr(&packed), packed.len, packed.len), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(unpack(&out, wr_buf_ptr(&packed), packed.len, 1), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(unpack(&out, "plain text", 10, 10), -WR_E_INVALID_ARGUMENT);
    wr_buf_ptr(&packed)[len - 6] ^= 1; /* of the checksum */
    CHECK_INT(unpack(&out, wr_buf_ptr(&packed), len, len), -WR_E_INVALID_ARGUMENT);
    /* zlib's own format is not gzip */
    CHECK_INT(unpack(&out, "\x78\x9c\x03\x00\x00\x00\x00\x01", 8, 8), -WR_E_INVALID_ARGUMENT);
}

TEST(a_failure_of_the_receiver_ends_it)
{
    wr_auto_buf packed = WR_BUF(4096);
    struct wr_gunzip *g = NULL;
    struct wr_error err;
    pack(&packed, "some text", 9, 9);
    CHECK_INT(wr_gunzip_new(refuse, NULL, &g, &err), 0);
    CHECK_INT(wr_gunzip_feed(g, wr_buf_ptr(&packed), packed.len, &err), -WR_E_RESOURCE_EXHAUSTED);
    g = wr_gunzip_free(g);
}
