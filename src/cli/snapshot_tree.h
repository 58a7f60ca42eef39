/* What came from what, drawn with lines. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Appends a line for each node of {"nodes": [...]} (GET /snapshots/{id}/tree), children below what
 * they came from, the oldest first, and roots at the left edge. A node whose parent is not among
 * them is a root, and so is one of a circle, which no server should give. The line of `mark` (an
 * id; NULL: none) gets a star. Text that could drive a terminal is made harmless.
 */
int wr_snapshot_tree_write(const json_t *tree, const char *mark, struct wr_buf *out,
                           struct wr_error *err) WR_MUST_CHECK;
