/* Pseudo-terminals of the sandbox's own devpts. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

struct wr_pty_size {
    uint16_t cols, rows;
};

/* Opens a pair whose terminal side belongs to `uid`. The controlling side is non-blocking. Both are
 * owned by the caller. */
int wr_pty_open(uid_t uid, struct wr_pty_size size, int *ret_controller, int *ret_terminal,
                struct wr_error *err) WR_MUST_CHECK;
int wr_pty_resize(int controller, struct wr_pty_size size, struct wr_error *err) WR_MUST_CHECK;
