/* What secrets look like. */
#pragma once

#include <stddef.h>

struct wr_secret_pattern {
    const char *name;
    const char *pattern; /* PCRE2, bytes; every repetition has a bound far below the window */
};

extern const struct wr_secret_pattern wr_secret_patterns[];
extern const size_t wr_secret_pattern_count;
