/* Text that a command reads as a whole: code, cases, tasks, rules. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* `path` "-" is standard input; pipes are read to their end. The buffer's maximum bounds it:
 * INVALID_ARGUMENT beyond that, for directories, and for text that is not UTF-8. */
int wr_text_file_read(const char *path, struct wr_buf *out, struct wr_error *err) WR_MUST_CHECK;
