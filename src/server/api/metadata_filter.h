/*
 * The query parameter `metadata` of GET /sandboxes: pairs that a sandbox's metadata must have. E2B
 * clients percent-encode every key and value and form-encode the pairs; the query's own encoding is
 * a third layer, already undone by the caller.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* "k=v&k2=v2" -> an object of strings, owned by the caller. INVALID_ARGUMENT: "error parsing
 * metadata". */
int wr_metadata_filter_parse(const char *text, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* Whether `metadata` (may be NULL) has every pair of `filter`. */
bool wr_metadata_filter_match(const json_t *filter, const json_t *metadata);
