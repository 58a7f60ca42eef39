/* Character classes of RFC 9110 5.6.2 (token), 5.5 (field-content) and of request targets. Private
 * to http/. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

enum wr_h1_class {
    WR_H1_TOKEN = 1,  /* tchar */
    WR_H1_VALUE = 2,  /* HTAB, SP, VCHAR, obs-text: everything but control bytes */
    WR_H1_TARGET = 4, /* VCHAR but '#' */
};

extern const unsigned char wr_h1_classes[256];

static inline bool wr_h1_is(char c, enum wr_h1_class class)
{
    return (wr_h1_classes[(unsigned char)c] & (unsigned)class) != 0;
}
/* Whether all bytes are of the class; true for none. */
static inline bool wr_h1_all(const char *s, size_t len, enum wr_h1_class class)
{
    for (size_t i = 0; i < len; i++)
        if (!wr_h1_is(s[i], class))
            return false;
    return true;
}
static inline bool wr_h1_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
