/* Which lines of a log a client wants. */
#pragma once

#include "http/server.h"
#include "server/store/store.h"

#define WR_LOG_SEARCH_MAX 256 /* bytes */

/* Indexed by enum wr_level. */
extern const char *const wr_log_level_names[WR_LEVEL_ERROR + 1];

/* `start` and `limit` in the old form, else `cursor`, `limit`, `direction`, `level` and `search`,
 * whose text `search` holds for the query. The sandbox is the caller's to fill in. */
int wr_log_query_read(const struct wr_exchange *ex, bool old_form, struct wr_log_query *ret,
                      char search[static WR_LOG_SEARCH_MAX + 1], struct wr_error *err)
    WR_MUST_CHECK;
