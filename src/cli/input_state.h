/*
 * Whether what was typed so far is a whole input, by counting brackets, quotes and comments of the
 * language. It need not be right about every program: two empty lines in a row end any input.
 */
#pragma once

#include <stdbool.h>

#include "cli/cell_language.h"

enum wr_input_state {
    WR_INPUT_COMPLETE = 0,
    WR_INPUT_OPEN = 1,  /* a bracket, a quote, a comment or a line goes on */
    WR_INPUT_BLOCK = 2, /* an indented block, or a cell magic: an empty line ends it */
};

enum wr_input_state wr_input_state_of(const struct wr_cell_language *language, const char *text,
                                      size_t len);
/* For input that nobody types: whether this next line still belongs to a block before it. */
bool wr_input_continues(const char *text, size_t len, const char *line, size_t line_len);
