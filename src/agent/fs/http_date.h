/* Dates of HTTP (RFC 9110 5.6.7). Without the C library's calendar: that would read the sandbox's
 * time zone files. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT" of seconds since 1970; `out` holds 30 bytes. */
void wr_http_date(int64_t unix_s, char out[static 30]);
/* Any of the three forms that a recipient has to know. False for anything else; *ret is then
 * untouched. */
bool wr_http_date_parse(const char *text, size_t len, int64_t *ret) WR_MUST_CHECK;
