/* GET /volumecontent/dir: a walk over a part of the volume, names ascending, a directory before
 * what is in it. */
#pragma once

#include "agent/fs/content_request.h"
#include "agent/fs/filesystem.h"

/* Answers, now or later. `root` stays the caller's. */
void wr_content_list(struct wr_filesystem *fs, struct wr_exchange *ex, int root,
                     const struct wr_content_query *query);
