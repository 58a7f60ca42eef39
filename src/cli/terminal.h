/* The controlling terminal: raw mode that is undone however the process ends, and its size. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* Standard input becomes raw until wr_terminal_restore(), exit() or the death by a signal whose
 * handler calls exit. */
int wr_terminal_raw(struct wr_error *err) WR_MUST_CHECK;
/* Idempotent. */
void wr_terminal_restore(void);
/* 80 x 24 when standard output is no terminal. */
void wr_terminal_size(unsigned *ret_cols, unsigned *ret_rows);
