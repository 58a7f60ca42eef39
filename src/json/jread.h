/*
 * Strict reading of JSON objects that come from outside, over jansson (JSON_REJECT_DUPLICATES,
 * depth and size bounded). A table of fields says what is expected; anything else in the object is
 * refused with its name.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Text -> object. The text must be one JSON object and nothing else. */
int wr_json_parse(const char *text, size_t len, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* The same, RESOURCE_EXHAUSTED above `max_values` (each container counts as one more): a few bytes
 * of text can be a value of two hundred bytes. */
int wr_json_parse_within(const char *text, size_t len, size_t max_values, json_t **ret,
                         struct wr_error *err) WR_MUST_CHECK;
struct wr_json_limits {
    size_t bytes;      /* of the text */
    size_t values;     /* as above */
    bool allow_nul;    /* texts may hold NUL bytes: their length counts (json_string_length()) */
    bool big_integers; /* one beyond 64 bits makes all numbers of the text reals, no error */
    bool any;          /* not only an object */
};
/* The same, within limits of the caller's. */
int wr_json_parse_limited(const char *text, size_t len, const struct wr_json_limits *limits,
                          json_t **ret, struct wr_error *err) WR_MUST_CHECK;
void wr_json_free_ptr(json_t **json);
#define wr_auto_json WR_CLEANUP(wr_json_free_ptr) json_t

enum wr_json_kind {
    WR_JSON_STRING = 0, /* const char **, borrowed from the object; NUL bytes are refused */
    WR_JSON_U64 = 1,    /* uint64_t *, within [min, max] */
    WR_JSON_I64 = 2,    /* int64_t *, within [min, max] */
    WR_JSON_BOOL = 3,   /* bool * */
    WR_JSON_OBJECT = 4, /* json_t **, borrowed */
    WR_JSON_ARRAY = 5,  /* json_t **, borrowed */
};

struct wr_json_field {
    const char *name;
    enum wr_json_kind kind;
    bool required;
    bool *ret_present; /* optional: set to whether the field was there (null counts as absent) */
    void *ret;         /* untouched when absent */
    int64_t min,
        max; /* numbers: inclusive range (both 0: none); strings and arrays: max length (0: 4096) */
};

enum wr_json_unknown {
    WR_JSON_REFUSE_UNKNOWN = 0,
    WR_JSON_IGNORE_UNKNOWN = 1,
};
int wr_json_read(const json_t *object, const struct wr_json_field *fields, size_t count,
                 enum wr_json_unknown unknown, struct wr_error *err) WR_MUST_CHECK;
