/* PNG or JPEG -> sixel, by img2sixel of libsixel. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/*
 * Appends one sixel sequence. The program reads a picture that a sandbox made: it runs with a time
 * limit, and, when this process is root, as nobody without any way to new rights; of what it writes
 * only a well-formed sequence is taken. FAILED_PRECONDITION when it is not installed.
 */
int wr_picture_sixel(const struct wr_buf *bytes, struct wr_buf *out, struct wr_error *err)
    WR_MUST_CHECK;
