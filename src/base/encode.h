/* Hex and base64 (RFC 4648). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/base.h"

/* out holds 2 * len + 1 bytes. */
void wr_hex_encode(const void *data, size_t len, char *out);

/* Value of a hex digit of either case, or -1. */
int wr_hex_value(char c);

#define WR_BASE64_LEN(len) (((len) + 2) / 3 * 4)
/* Standard alphabet with padding; writes WR_BASE64_LEN(len) bytes, no NUL; returns that length. */
size_t wr_base64_encode(const void *data, size_t len, char *out);
/* Accepts the standard and the URL-safe alphabet, padded or not (proto3 JSON). `out` holds len / 4
 * * 3 + 3 bytes. Length, or -EINVAL. In place is allowed (out == in). */
ssize_t wr_base64_decode(const char *in, size_t len, void *out) WR_MUST_CHECK;
