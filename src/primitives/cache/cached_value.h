/* The form in which a value is kept: {"v": 1, "value": ...} as JSON text. */
#pragma once

#include "primitives/cache/store.h"

/* The text is the caller's. false: too large, or no memory; the value is then not kept. */
bool wr_cached_value_write(const struct wr_value *value, struct wr_cache_text *ret);
/* The value is the caller's, an object among them with `cached` true. INVALID_ARGUMENT for what is
 * not of that form: other content under our key, or of another version. */
int wr_cached_value_read(const struct wr_cache_text *text, struct wr_value **ret,
                         struct wr_error *err);
