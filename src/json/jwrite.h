/*
 * Streaming JSON writer into a wr_buf: no tree, no allocation besides the buffer. Errors stick and
 * are returned by wr_jw_finish(), so calls need no checks. Nesting up to 16 levels; a wrong order
 * of calls is a programmer's error (assert).
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

struct wr_jw {
    struct wr_buf *out; /* borrowed */
    int error;          /* first -errno */
    uint8_t depth;
    bool comma;
    bool key;       /* a key was written, its value is due */
    bool ascii;     /* escape everything above 0x7e as \uXXXX */
    char stack[16]; /* '{' or '[' */
};

void wr_jw_init(struct wr_jw *w, struct wr_buf *out);
void wr_jw_object(struct wr_jw *w);
void wr_jw_array(struct wr_jw *w);
void wr_jw_end(struct wr_jw *w); /* closes the innermost object or array */
void wr_jw_key(struct wr_jw *w, const char *key);
void wr_jw_keyn(struct wr_jw *w, const char *key, size_t len);
void wr_jw_str(struct wr_jw *w, const char *s); /* invalid UTF-8 becomes U+FFFD */
void wr_jw_strn(struct wr_jw *w, const char *s, size_t len);
void wr_jw_base64(struct wr_jw *w, const void *data, size_t len); /* a string of base64 */
void wr_jw_raw(struct wr_jw *w, const char *json, size_t len);    /* a value that is JSON already */
void wr_jw_u64(struct wr_jw *w, uint64_t v);
void wr_jw_i64(struct wr_jw *w, int64_t v);
void wr_jw_bool(struct wr_jw *w, bool v);
void wr_jw_double(struct wr_jw *w, double v, int decimals);
/* With as many digits as it has; null for what is no number. */
void wr_jw_number(struct wr_jw *w, double v);
void wr_jw_null(struct wr_jw *w);
/* `key: value` in one call. NULL strings are left out. */
void wr_jw_kstr(struct wr_jw *w, const char *key, const char *s);
void wr_jw_ku64(struct wr_jw *w, const char *key, uint64_t v);
void wr_jw_ki64(struct wr_jw *w, const char *key, int64_t v);
void wr_jw_kbool(struct wr_jw *w, const char *key, bool v);
/* 0, or the first -errno (-ENOBUFS, -ENOMEM). */
int wr_jw_finish(struct wr_jw *w) WR_MUST_CHECK;
