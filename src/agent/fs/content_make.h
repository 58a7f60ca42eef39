/* Making directories in a volume. */
#pragma once

#include "agent/fs/content_request.h"
#include "agent/fs/content_resolve.h"

/* Makes the directories above `query->path` that are missing, with the query's owner. 0 or -errno.
 */
int wr_content_make_parents(int root, const struct wr_content_query *query) WR_MUST_CHECK;
/* POST /volumecontent/dir: answers. `root` stays the caller's. */
void wr_content_make_dir(struct wr_exchange *ex, int root, const struct wr_content_query *query);
