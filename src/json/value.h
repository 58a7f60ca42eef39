/* The values of libwarren (warren/value.h) are jansson's: the way between the two, for inside. */
#pragma once

#include <jansson.h>

#include "warren/value.h"

/* Borrowed. NULL for NULL. */
static inline json_t *wr_value_json(const struct wr_value *value)
{
    return (json_t *)(uintptr_t)value;
}
/* Consumes `json`. NULL for NULL. */
static inline struct wr_value *wr_value_of_json(json_t *json)
{
    return (struct wr_value *)(void *)json;
}

void wr_value_free_ptr(struct wr_value **value);
#define wr_auto_value __attribute__((cleanup(wr_value_free_ptr))) struct wr_value

/* A string of `len` bytes: what is not UTF-8 becomes U+FFFD, NUL bytes stay. NULL without memory.
 */
struct wr_value *wr_value_of_bytes(const void *bytes, size_t len);
