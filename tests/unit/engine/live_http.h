/* What tests ask a live sandbox's agent: files, by their paths, as root. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The status; the body, cut to `cap` - 1 bytes, in `out`. */
int live_http_get(int sock, const char *id, const char *path, char *out, size_t cap);
/* Writes the whole file. */
bool live_http_put(int sock, const char *id, const char *path, const char *text);
