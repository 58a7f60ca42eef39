/* The header fields of a download. */
#pragma once

#include <sys/stat.h>

#include "http/server.h"

/* Content-Type, Content-Disposition, Last-Modified, Vary. */
void wr_file_headers(struct wr_exchange *ex, const char *path, const struct stat *st);

/* "inline; filename=a.txt", quoted or percent-encoded (RFC 6266) as the name needs. False when it
 * does not fit. */
bool wr_content_disposition(const char *name, size_t len, char *out, size_t cap) WR_MUST_CHECK;
