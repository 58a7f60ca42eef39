/* Growable byte buffer with a hard maximum, consumable from the front. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#include "base/base.h"

struct wr_buf {
    char *data;   /* owned; the content starts at data + start */
    size_t start; /* consumed prefix */
    size_t len;   /* bytes of content */
    size_t cap;   /* allocated bytes */
    size_t max;   /* maximum of len, fixed at init */
    bool wipe;    /* holds secrets: memory is overwritten before it is given back; set after init */
};

#define WR_BUF(maximum)  \
    {                    \
        .max = (maximum) \
    }

void wr_buf_init(struct wr_buf *b, size_t max);
/* Frees the memory; the maximum and `wipe` stay, so the buffer is usable again. Accepts NULL and a
 * zeroed struct. */
void wr_buf_done(struct wr_buf *b);
#define wr_auto_buf WR_CLEANUP(wr_buf_done) struct wr_buf

/* Content pointer (not NUL-terminated; NULL when never written). */
static inline char *wr_buf_ptr(const struct wr_buf *b)
{
    return b->data ? b->data + b->start : NULL;
}
/* Bytes that may still be added. */
static inline size_t wr_buf_room(const struct wr_buf *b)
{
    return b->max - b->len;
}

/* Each append is all or nothing: 0, -ENOBUFS above the maximum, -ENOMEM. */
int wr_buf_append(struct wr_buf *b, const void *data, size_t len) WR_MUST_CHECK;
int wr_buf_append_str(struct wr_buf *b, const char *s) WR_MUST_CHECK;
int wr_buf_append_char(struct wr_buf *b, char c) WR_MUST_CHECK;
int wr_buf_printf(struct wr_buf *b, const char *fmt, ...) WR_PRINTF(2, 3) WR_MUST_CHECK;
int wr_buf_vprintf(struct wr_buf *b, const char *fmt, va_list ap) WR_PRINTF(2, 0) WR_MUST_CHECK;
/* Makes room for `len` more bytes and returns where to write them; then wr_buf_commit(). NULL as
 * above. */
char *wr_buf_reserve(struct wr_buf *b, size_t len) WR_MUST_CHECK;
void wr_buf_commit(struct wr_buf *b, size_t len);
/* Drops `len` bytes from the front (len <= b->len). */
void wr_buf_consume(struct wr_buf *b, size_t len);
/* Drops the content, keeps the memory. */
void wr_buf_clear(struct wr_buf *b);
/* NUL-terminates behind the content without counting it and returns the content; NULL without
 * memory. */
char *wr_buf_cstr(struct wr_buf *b) WR_MUST_CHECK;
/* Frees the memory if the buffer is empty and holds more than `keep` bytes: idle connections cost
 * nothing. */
void wr_buf_trim(struct wr_buf *b, size_t keep);
