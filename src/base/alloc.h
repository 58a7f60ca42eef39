/* Checked allocation and ownership transfer for heap memory. */
#pragma once

#include <stdlib.h>

#include "base/base.h"

/* `wr_auto_free char *p = NULL;` frees p at the end of its scope. */
void wr_free_ptr(void *pointer_to_pointer);
#define wr_auto_free WR_CLEANUP(wr_free_ptr)

/* Zeroed memory for `count` elements of `size` bytes; NULL on overflow or without memory. */
void *wr_calloc(size_t count, size_t size) WR_MUST_CHECK;
char *wr_strdup(const char *s) WR_MUST_CHECK;
char *wr_strndup(const char *s, size_t len) WR_MUST_CHECK;
/* NULL without memory. */
char *wr_asprintf(const char *fmt, ...) WR_PRINTF(1, 2) WR_MUST_CHECK;

/* Takes the pointer out of a cleanup variable: ownership leaves here. */
#define wr_steal_ptr(pp)                   \
    __extension__({                        \
        __typeof__(*(pp)) stolen_ = *(pp); \
        *(pp) = NULL;                      \
        stolen_;                           \
    })
