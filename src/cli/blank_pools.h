/* The setting `blanks`: how many blank sandboxes of which templates the server keeps ready. */
#pragma once

#include "base/error.h"
#include "server/config.h"

#define WR_BLANKS_PER_POOL 64

/* "base=2,other=1", or "off", or NULL or "" for none. Fills in the pools of `config`.
 * INVALID_ARGUMENT names what is wrong. */
int wr_blank_pools_parse(const char *text, struct wr_server_config *config, struct wr_error *err)
    WR_MUST_CHECK;
