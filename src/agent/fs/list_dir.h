/*
 * ListDir: a walk over a tree, depth-first, in lexical order per directory. It goes on in slices of
 * bounded size between the loop's other work, and without recursion. Names, and the bytes of the
 * answer, have a maximum.
 */
#pragma once

#include "agent/fs/filesystem.h"
#include "rpc/answer.h"

#define WR_LIST_MAX_AT_ONCE 16
#define WR_LIST_MAX_NAMES   262144 /* in the directories that are open at one time */
#define WR_LIST_MAX_BYTES   ((size_t)16 * 1024 * 1024)

/* Answers the call, now or later. `path` is absolute; `depth` 0 counts as 1. On failure nothing was
 * answered: NOT_FOUND, INVALID_ARGUMENT for what is no directory, FAILED_PRECONDITION for a loop of
 * links. */
int wr_list_dir(struct wr_filesystem *fs, const struct wr_connect_out *out, const char *path,
                uint32_t depth, struct wr_error *err) WR_MUST_CHECK;
