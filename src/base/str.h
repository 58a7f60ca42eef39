/* Strings: comparison, copying into arrays, validation. */
#pragma once

#include <stdbool.h>
#include <string.h>

#include "base/base.h"

static inline bool wr_streq(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}
bool wr_starts_with(const char *s, const char *prefix);
bool wr_ends_with(const char *s, const char *suffix);
/* ASCII only, no locale. */
bool wr_strcaseeq(const char *a, const char *b);
bool wr_memcaseeq(const char *a, size_t a_len, const char *b, size_t b_len);
/* Copies with NUL; false (and an empty string) when it does not fit. */
bool wr_strcopy(char *dst, size_t cap, const char *src) WR_MUST_CHECK;
/* snprintf that reports truncation: false when the text did not fit. */
bool wr_strformat(char *dst, size_t cap, const char *fmt, ...) WR_PRINTF(3, 4) WR_MUST_CHECK;
/* Only bytes of `set`, length within [min, max]. */
bool wr_str_only(const char *s, const char *set, size_t min, size_t max);
bool wr_utf8_valid(const char *s, size_t len);
/* Length of `s`, or of its longest part of at most `max` bytes that ends between two characters. */
size_t wr_utf8_prefix(const char *s, size_t max);
/* In place, for a line that quotes what others said: bytes that are no UTF-8 become '?', control
 * characters (line breaks, a terminal's sequences) blanks. */
void wr_utf8_make_line(char *s);
/* Equal in time that depends on `len` only. */
bool wr_memeq_consttime(const void *a, const void *b, size_t len);

/* A sandbox id: [a-z0-9]{20}. */
#define WR_ID_LEN 20
bool wr_id_valid(const char *s);
/* A template name: [a-z0-9] then [a-z0-9._-]{0,62}, no "..". */
bool wr_template_name_valid(const char *s);
