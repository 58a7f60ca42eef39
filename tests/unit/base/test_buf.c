#include <errno.h>

#include "base/buf.h"
#include "test.h"

TEST(both_sides_of_the_maximum)
{
    wr_auto_buf b = WR_BUF(8);
    CHECK_INT(wr_buf_append(&b, "12345678", 8), 0);
    CHECK_INT(wr_buf_room(&b), 0);
    CHECK_INT(wr_buf_append_char(&b, 'x'), -ENOBUFS);
    CHECK_INT(wr_buf_append(&b, "", 0), 0);
    CHECK(!wr_buf_reserve(&b, 1));
    CHECK_STR(wr_buf_cstr(&b), "12345678");
    wr_buf_consume(&b, 1);
    CHECK_INT(wr_buf_append(&b, "90", 2), -ENOBUFS);
    CHECK_INT(b.len, 7);
    CHECK_INT(wr_buf_append(&b, "9", 1), 0);
    CHECK_STR(wr_buf_cstr(&b), "23456789");
}

TEST(length_overflow_is_refused)
{
    wr_auto_buf b = WR_BUF(SIZE_MAX);
    CHECK_INT(wr_buf_append_char(&b, 'x'), 0);
    CHECK_INT(wr_buf_append(&b, "", SIZE_MAX), -ENOBUFS);
    CHECK(!wr_buf_reserve(&b, SIZE_MAX - 1));
    CHECK_INT(b.len, 1);
}

TEST(printf_is_all_or_nothing)
{
    wr_auto_buf b = WR_BUF(6);
    CHECK_INT(wr_buf_printf(&b, "%d-%s", 12, "abc"), 0);
    CHECK_INT(wr_buf_printf(&b, "%s", "x"), -ENOBUFS);
    CHECK_INT(wr_buf_printf(&b, "%s", ""), 0);
    CHECK_STR(wr_buf_cstr(&b), "12-abc");
    CHECK_INT(b.len, 6);
}

TEST(zero_maximum_takes_nothing)
{
    wr_auto_buf b = WR_BUF(0);
    CHECK_INT(wr_buf_append_char(&b, 'x'), -ENOBUFS);
    CHECK_STR(wr_buf_cstr(&b), "");
}

TEST(reserve_and_commit)
{
    wr_auto_buf b = WR_BUF(100);
    CHECK(!wr_buf_ptr(&b));
    char *p = wr_buf_reserve(&b, 10);
    CHECK(p);
    memcpy(p, "hello", 5);
    wr_buf_commit(&b, 5);
    CHECK_INT(b.len, 5);
    CHECK_STR(wr_buf_cstr(&b), "hello");
}

/* A queue of pseudo-random pieces must give back exactly what went in, and never grow above its
 * maximum. */
TEST(queue_keeps_order)
{
    wr_auto_buf b = WR_BUF(1000);
    unsigned int in = 0, out = 0, seed = 1;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245 + 12345;
        size_t want = seed >> 16 & 127;
        if (seed & 0x40000000) {
            unsigned char piece[128];
            for (size_t i = 0; i < want; i++)
                piece[i] = (unsigned char)(in + i);
            if (wr_buf_append(&b, piece, want) == 0)
                in += (unsigned int)want;
            else
                CHECK(want > 1000 - b.len);
        } else {
            size_t n = WR_MIN(want, b.len);
            for (size_t i = 0; i < n; i++)
                CHECK_INT((unsigned char)wr_buf_ptr(&b)[i], (out + i) & 255);
            wr_buf_consume(&b, n);
            out += (unsigned int)n;
        }
        CHECK_INT(b.len, in - out);
        CHECK(b.cap <= 1001);
    }
}

TEST(trim_and_done)
{
    struct wr_buf b;
    wr_buf_init(&b, 1000);
    CHECK_INT(wr_buf_append_str(&b, "some text"), 0);
    wr_buf_trim(&b, 0);
    CHECK(b.data);
    wr_buf_clear(&b);
    wr_buf_trim(&b, 4096);
    CHECK(b.data);
    wr_buf_trim(&b, 0);
    CHECK(!b.data);
    CHECK_INT(b.max, 1000);
    CHECK_INT(wr_buf_append_str(&b, "again"), 0);
    wr_buf_done(&b);
    wr_buf_done(&b);
    wr_buf_done(NULL);
}

/* These take the place of the C library's (the second one with _FORTIFY_SOURCE), to see what is
 * wiped. */
static size_t wiped;
void explicit_bzero(void *memory, size_t len);
void explicit_bzero(void *memory, size_t len)
{
    memset(memory, 0, len);
    wiped += len;
}
void __explicit_bzero_chk(void *memory, size_t len, size_t room);
void __explicit_bzero_chk(void *memory, size_t len, size_t room)
{
    CHECK(len <= room);
    explicit_bzero(memory, len);
}

TEST(secrets_are_wiped_wherever_memory_is_given_back)
{
    struct wr_buf b = WR_BUF(4096);
    b.wipe = true;
    CHECK_INT(wr_buf_append(&b, "0123456789", 10), 0);
    size_t first = b.cap;
    /* Growing moves the content. */
    CHECK(wr_buf_reserve(&b, 1000));
    CHECK_INT(wiped, first);
    CHECK_STR(wr_buf_cstr(&b), "0123456789");
    first += b.cap;
    wr_buf_consume(&b, 10);
    wr_buf_trim(&b, 0);
    CHECK_INT(wiped, first);
    /* It stays a buffer of secrets. */
    CHECK(b.wipe && b.max == 4096);
    CHECK_INT(wr_buf_append(&b, "x", 1), 0);
    first += b.cap;
    wr_buf_done(&b);
    CHECK_INT(wiped, first);
    struct wr_buf plain = WR_BUF(64);
    CHECK_INT(wr_buf_append(&plain, "x", 1), 0);
    wr_buf_done(&plain);
    CHECK_INT(wiped, first);
}
