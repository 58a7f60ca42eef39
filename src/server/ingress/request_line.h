/* Whether a client speaks HTTP/1.x, by what it says first. A pure function of a stranger's bytes.
 */
#pragma once

#include <stddef.h>

#include "base/base.h"

enum wr_first_line {
    WR_FIRST_MORE = 0, /* what is there may be the beginning of a request line */
    WR_FIRST_HTTP = 1, /* a line that names a version of HTTP, or is too long for this to tell */
    WR_FIRST_OTHER = 2,
};

#define WR_FIRST_MAX (16 * 1024) /* bytes that are looked at */

enum wr_first_line wr_first_line(const char *data, size_t len) WR_MUST_CHECK;
