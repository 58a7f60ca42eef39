/* Request targets: path and query, percent-decoding (RFC 3986). */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/*
 * Splits an origin-form or absolute-form target. `path` receives the decoded path with NUL (bad
 * escapes, %00 and relative forms are refused); `*ret_query` points to the raw query inside
 * `target` (empty when there is none).
 */
int wr_uri_split(const char *target, size_t len, char *path, size_t path_cap,
                 const char **ret_query, size_t *ret_query_len, struct wr_error *err) WR_MUST_CHECK;
/* The path inside a target as it was sent, without authority and query. */
const char *wr_uri_raw_path(const char *target, size_t len, size_t *ret_len);
/* One segment of it, decoded with NUL: false for a bad escape, %00 or a control byte, or when it
 * does not fit. A "%2F" becomes a slash inside the segment. */
bool wr_uri_decode_segment(const char *s, size_t len, char *out, size_t cap) WR_MUST_CHECK;
/* The decoded value ('+' is a blank) of the first `name` in a raw query. 1 found, 0 absent,
 * -WR_E_INVALID_ARGUMENT bad or too long. */
int wr_uri_query_get(const char *query, size_t query_len, const char *name, char *out, size_t cap,
                     struct wr_error *err) WR_MUST_CHECK;
/* Percent-encodes everything but unreserved characters and '/'. -ENOBUFS-safe: false when it does
 * not fit. */
bool wr_uri_encode(const char *s, char *out, size_t cap) WR_MUST_CHECK;
