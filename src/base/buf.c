#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_CAPACITY 64

static void give_back(struct wr_buf *b)
{
    if (b->wipe && b->data)
        explicit_bzero(b->data, b->cap);
    free(b->data);
}

/* realloc() would leave the old bytes behind. */
static char *move(struct wr_buf *b, size_t cap)
{
    char *data = malloc(cap);

    if (!data)
        return NULL;
    if (b->len > 0)
        memcpy(data, b->data, b->len);
    give_back(b);
    return data;
}

/* Makes room for `len` bytes of content and `extra` bytes behind it (a NUL that is not counted). */
static int ensure(struct wr_buf *b, size_t len, size_t extra)
{
    if (len > wr_buf_room(b))
        return -ENOBUFS;
    size_t need = b->len + len;
    if (need > SIZE_MAX / 2)
        return -ENOMEM;
    need += extra;
    if (need <= b->cap - b->start && b->data)
        return 0;
    if (b->start > 0) {
        memmove(b->data, b->data + b->start, b->len);
        b->start = 0;
        if (need <= b->cap)
            return 0;
    }
    /* Double, but never hold more than the maximum (and its NUL) unless asked for exactly that. */
    size_t cap = WR_MAX(b->cap * 2, (size_t)MIN_CAPACITY);
    if (b->max < cap)
        cap = b->max + 1;
    cap = WR_MAX(cap, WR_MAX(need, (size_t)1));
    char *data = b->wipe ? move(b, cap) : realloc(b->data, cap);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->cap = cap;
    return 0;
}

void wr_buf_init(struct wr_buf *b, size_t max)
{
    *b = (struct wr_buf){.max = max};
}

void wr_buf_done(struct wr_buf *b)
{
    if (!b)
        return;
    give_back(b);
    *b = (struct wr_buf){.max = b->max, .wipe = b->wipe};
}

int wr_buf_append(struct wr_buf *b, const void *data, size_t len)
{
    if (len == 0)
        return 0;
    int r = ensure(b, len, 0);
    if (r < 0)
        return r;
    memcpy(b->data + b->start + b->len, data, len);
    b->len += len;
    return 0;
}

int wr_buf_append_str(struct wr_buf *b, const char *s)
{
    return wr_buf_append(b, s, strlen(s));
}

int wr_buf_append_char(struct wr_buf *b, char c)
{
    return wr_buf_append(b, &c, 1);
}

int wr_buf_printf(struct wr_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int r = wr_buf_vprintf(b, fmt, ap);
    va_end(ap);
    return r;
}

int wr_buf_vprintf(struct wr_buf *b, const char *fmt, va_list ap)
{
    va_list measure;
    va_copy(measure, ap);
    int n = vsnprintf(NULL, 0, fmt, measure);
    va_end(measure);
    if (n < 0)
        return -EINVAL;
    int r = ensure(b, (size_t)n, 1);
    if (r < 0)
        return r;
    (void)vsnprintf(b->data + b->start + b->len, (size_t)n + 1, fmt, ap);
    b->len += (size_t)n;
    return 0;
}

char *wr_buf_reserve(struct wr_buf *b, size_t len)
{
    return ensure(b, len, 0) < 0 ? NULL : b->data + b->start + b->len;
}

void wr_buf_commit(struct wr_buf *b, size_t len)
{
    assert(len <= b->cap - b->start - b->len && len <= wr_buf_room(b));
    b->len += len;
}

void wr_buf_consume(struct wr_buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    b->start = b->len == 0 ? 0 : b->start + len;
}

void wr_buf_clear(struct wr_buf *b)
{
    b->start = 0;
    b->len = 0;
}

char *wr_buf_cstr(struct wr_buf *b)
{
    if (ensure(b, 0, 1) < 0)
        return NULL;
    b->data[b->start + b->len] = '\0';
    return b->data + b->start;
}

void wr_buf_trim(struct wr_buf *b, size_t keep)
{
    if (b->len == 0 && b->cap > keep)
        wr_buf_done(b);
}
