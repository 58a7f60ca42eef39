/* Files of a volume, whole: reading and writing. */
#pragma once

#include "agent/fs/content_request.h"

/* Both answer, now or later. `root` stays the caller's. */
void wr_content_file_get(struct wr_exchange *ex, int root, const struct wr_content_query *query);
/* The bytes go to a file without a name, which appears under its own when all of them are there:
 * whoever reads sees the old file or the new one. */
void wr_content_file_put(struct wr_exchange *ex, int root, const struct wr_content_query *query);
