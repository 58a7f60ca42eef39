/* What an execution is found again by. */
#pragma once

#include "primitives/cache/store.h"

/* What belongs to every key of a cache. */
struct wr_cache_key_base {
    const char *inner_scope; /* of the primitive inside (core/primitive.h) */
    const char *scope;       /* the caller's */
};

/* Of all of an input; two that mean the same to an executor have the same. RESOURCE_EXHAUSTED
 * without memory. */
int wr_cache_key_of_input(const struct wr_cache_key_base *base, const struct wr_value *input,
                          char ret[static WR_CACHE_KEY_SIZE], struct wr_error *err);
/* Of a text that the caller's function made. */
void wr_cache_key_of_text(const struct wr_cache_key_base *base, const char *text,
                          char ret[static WR_CACHE_KEY_SIZE]);
