/* How a cell gets a standard input: from a file, by a cell before it in the same context, so that
 * the lines of the code keep their numbers. */
#pragma once

/* Where its bytes are, written by root, for all to read. */
#define WR_TEST_STDIN_FILE "/test_input.txt"

/* The code of the cell before; NULL for languages whose cells cannot have a standard input. */
const char *wr_test_stdin_preamble(const char *language);
