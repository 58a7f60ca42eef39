/* The head of a multipart part, and parameters of header fields. */
#pragma once

#include "agent/fs/multipart.h"

enum wr_param {
    WR_PARAM_ABSENT = 0,
    WR_PARAM_FOUND = 1,
    WR_PARAM_BAD = 2, /* malformed, twice, or too long */
};

/* The parameter `name` of a field like `form-data; name="a b"; x=y` (RFC 9110 5.6.6). In a quoted
 * value a backslash quotes '"' and itself; before anything else it is a character of its own, since
 * names of files come like that. */
enum wr_param wr_header_param(const char *field, const char *name, char *out, size_t cap)
    WR_MUST_CHECK;

/* The fields of a part up to and including the blank line; the answer is about its
 * Content-Disposition: the parameters name, and filename or filename* (RFC 5987, UTF-8).
 * WR_E_INVALID_ARGUMENT for what is malformed. A part without that field has an empty name. */
int wr_disposition_read(const char *head, size_t len, struct wr_multipart_part *ret,
                        struct wr_error *err) WR_MUST_CHECK;
