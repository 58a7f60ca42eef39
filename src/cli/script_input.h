/* Lines of standard input when nobody types them. */
#pragma once

#include "base/buf.h"
#include "cli/input_wait.h"

struct wr_script_input {
    struct wr_input_wait *wait; /* borrowed */
    struct wr_buf in;
    size_t given; /* bytes of `in` that the last call returned */
    bool ended;
};

void wr_script_input_init(struct wr_script_input *input, struct wr_input_wait *wait);
/* Accepts a zeroed struct. */
void wr_script_input_done(struct wr_script_input *input);
/* 1 and a line without its line break, valid until the next call; 0 at the end; CANCELED when the
 * client was interrupted; INVALID_ARGUMENT for a line that is too long. */
int wr_script_input_next(struct wr_script_input *input, const char **ret, size_t *ret_len,
                         struct wr_error *err) WR_MUST_CHECK;
