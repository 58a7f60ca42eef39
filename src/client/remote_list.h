/* Lists on a transport that is in use. */
#pragma once

#include "client/remote.h"

/* All pages of those that have this metadata ("key=value"), running and paused; an array, the
 * caller's. */
int wr_remote_list(struct wr_remote_use *use, const char *const *metadata, size_t metadata_count,
                   json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* All pages of the list at `target`, whose query is not empty; an array, the caller's. `what` as of
 * struct wr_pages. */
int wr_remote_pages(struct wr_remote_use *use, const char *what, const char *target, json_t **ret,
                    struct wr_error *err) WR_MUST_CHECK;
