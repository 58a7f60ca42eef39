/* Requests to the agent's /files. */
#pragma once

#include "client/remote.h"

#define WR_REMOTE_FILES_TARGET_MAX ((size_t)8 * 1024)

/* "/files?path=...&username=..."; `path` NULL: without. INVALID_ARGUMENT: too long. */
int wr_remote_files_target(const struct wr_call *call, const char *path,
                           char out[static WR_REMOTE_FILES_TARGET_MAX], struct wr_error *err)
    WR_MUST_CHECK;
