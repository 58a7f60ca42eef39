/** @file
 * Values: what primitives take and give, a JSON document each.
 *
 * A value is counted, and not changed any more once a second holder has it: set members only on
 * values that the caller has just made. Reading and counting are thread-safe.
 */
#pragma once

#include "warren/error.h"

WR_BEGIN_DECLS

struct wr_value;

/** From JSON text of `len` bytes (any JSON value). INVALID_ARGUMENT says where it is wrong. */
WR_PUBLIC int wr_value_parse(const char *json, size_t len, struct wr_value **ret,
                             struct wr_error *err);
/** A new empty object, array, or a string (NUL-terminated UTF-8), number, boolean; NULL without
 * memory, for text that is not UTF-8, and for numbers that JSON does not have (NaN, infinite). */
WR_PUBLIC struct wr_value *wr_value_object(void);
/** @copybrief wr_value_object */
WR_PUBLIC struct wr_value *wr_value_array(void);
/** @copybrief wr_value_object */
WR_PUBLIC struct wr_value *wr_value_of_string(const char *text);
/** @copybrief wr_value_object */
WR_PUBLIC struct wr_value *wr_value_of_double(double number);
/** @copybrief wr_value_object */
WR_PUBLIC struct wr_value *wr_value_of_int(int64_t number);
/** @copybrief wr_value_object */
WR_PUBLIC struct wr_value *wr_value_of_bool(bool truth);

/** One more holder. Accepts NULL. */
WR_PUBLIC struct wr_value *wr_value_ref(struct wr_value *value);
/** One holder less. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_value *wr_value_free(struct wr_value *value);

/** Sets a member of an object, or (`key` NULL) appends to an array. `member` is consumed in any
 * case; NULL is RESOURCE_EXHAUSTED, so that calls can be nested. */
WR_PUBLIC int wr_value_set(struct wr_value *value, const char *key, struct wr_value *member,
                           struct wr_error *err);

/** The member with that name, borrowed; NULL when there is none, or `value` is no object. */
WR_PUBLIC const struct wr_value *wr_value_get(const struct wr_value *value, const char *key);
/** Elements of an array, members of an object, 0 otherwise. */
WR_PUBLIC size_t wr_value_count(const struct wr_value *value);
/** An element of an array, borrowed; NULL. */
WR_PUBLIC const struct wr_value *wr_value_at(const struct wr_value *value, size_t index);

/** Members of an object by name, with what is returned when the member is missing or of another
 * type. Strings are borrowed; "" by default. `key` NULL: the value itself. */
WR_PUBLIC const char *wr_value_string(const struct wr_value *value, const char *key);
/** @copybrief wr_value_string */
WR_PUBLIC double wr_value_double(const struct wr_value *value, const char *key, double otherwise);
/** @copybrief wr_value_string */
WR_PUBLIC int64_t wr_value_int(const struct wr_value *value, const char *key, int64_t otherwise);
/** @copybrief wr_value_string */
WR_PUBLIC bool wr_value_bool(const struct wr_value *value, const char *key, bool otherwise);

/** As compact JSON text with sorted keys, so that equal values have equal texts; to free with
 * wr_free(). NULL without memory. */
WR_PUBLIC char *wr_value_text(const struct wr_value *value);

WR_END_DECLS
