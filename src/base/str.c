#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

bool wr_starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool wr_ends_with(const char *s, const char *suffix)
{
    size_t len = strlen(s), suffix_len = strlen(suffix);
    return len >= suffix_len && memcmp(s + len - suffix_len, suffix, suffix_len) == 0;
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool wr_strcaseeq(const char *a, const char *b)
{
    return wr_memcaseeq(a, strlen(a), b, strlen(b));
}

bool wr_memcaseeq(const char *a, size_t a_len, const char *b, size_t b_len)
{
    if (a_len != b_len)
        return false;
    for (size_t i = 0; i < a_len; i++)
        if (lower(a[i]) != lower(b[i]))
            return false;
    return true;
}

bool wr_strcopy(char *dst, size_t cap, const char *src)
{
    size_t len = strlen(src);
    if (len >= cap) {
        if (cap > 0)
            dst[0] = '\0';
        return false;
    }
    memcpy(dst, src, len + 1);
    return true;
}

bool wr_strformat(char *dst, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(dst, cap, fmt, ap);
    va_end(ap);
    return n >= 0 && (size_t)n < cap;
}

bool wr_str_only(const char *s, const char *set, size_t min, size_t max)
{
    size_t len = strspn(s, set);
    return s[len] == '\0' && len >= min && len <= max;
}

/* Length of the valid character at s (RFC 3629: no overlong forms, no surrogates, at most
 * U+10FFFF), or 0. */
static size_t utf8_char_len(const unsigned char *s, size_t len)
{
    unsigned char c = s[0];
    if (c < 0x80)
        return 1;
    size_t n = c >= 0xc2 && c <= 0xdf ? 2 : (c & 0xf0) == 0xe0 ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
    if (n == 0 || len < n)
        return 0;
    /* Only the second byte has special bounds. */
    unsigned char min = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    unsigned char max = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < min || s[1] > max)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool wr_utf8_valid(const char *s, size_t len)
{
    const unsigned char *p = (const unsigned char *)s;
    while (len > 0) {
        size_t n = utf8_char_len(p, len);
        if (n == 0)
            return false;
        p += n;
        len -= n;
    }
    return true;
}

size_t wr_utf8_prefix(const char *s, size_t max)
{
    size_t len = strnlen(s, max + 1);

    if (len <= max)
        return len;
    for (len = max; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80; len--)
        ;
    return len;
}

void wr_utf8_make_line(char *s)
{
    size_t len = strlen(s);

    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_char_len((unsigned char *)s + i, len - i);
        unsigned char c = (unsigned char)s[i];
        if (n == 0) {
            s[i] = '?';
            n = 1;
        } else if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)s[i + 1] < 0xa0)) {
            memset(s + i, ' ', n);
        }
    }
}

bool wr_memeq_consttime(const void *a, const void *b, size_t len)
{
    const unsigned char *x = a, *y = b;
    volatile unsigned char differs = 0;
    for (size_t i = 0; i < len; i++)
        differs = (unsigned char)(differs | (x[i] ^ y[i]));
    return differs == 0;
}

#define LOWER_AND_DIGITS "abcdefghijklmnopqrstuvwxyz0123456789"

bool wr_id_valid(const char *s)
{
    return wr_str_only(s, LOWER_AND_DIGITS, WR_ID_LEN, WR_ID_LEN);
}

bool wr_template_name_valid(const char *s)
{
    return wr_str_only(s, LOWER_AND_DIGITS "._-", 1, 63) && strchr(LOWER_AND_DIGITS, s[0]) &&
           !strstr(s, "..");
}
