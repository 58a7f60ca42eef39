/* The blackboard's way into a sandbox and back. */
#pragma once

#include <jansson.h>

#include "primitives/orchestrate/blackboard.h"

/* What a sandbox was given. */
struct wr_board_copy {
    struct wr_board_files files;
    json_t *listed; /* owned: {path: [size, time]} as the sandbox saw them then */
};

/* Makes `path` a directory of the user's, empty but for the board's files. FAILED_PRECONDITION when
 * it is there and holds something else. */
int wr_board_copy_in(struct wr_blackboard *board, struct wr_sandbox *sandbox, const char *path,
                     const struct wr_wait *wait, struct wr_board_copy *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* What is new or other than it was given goes back. Names and sizes come from the sandbox. */
int wr_board_copy_out(struct wr_blackboard *board, struct wr_sandbox *sandbox, const char *path,
                      const struct wr_wait *wait, const struct wr_board_copy *copy,
                      struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_board_copy_done(struct wr_board_copy *copy);
