/* Output of code or of a program, kept up to a maximum; what is beyond it is counted. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "warren/value.h"

struct wr_kept_output {
    struct wr_buf bytes;
    uint64_t dropped;
};

void wr_kept_output_init(struct wr_kept_output *output, uint64_t max_bytes);
void wr_kept_output_done(struct wr_kept_output *output);
/* Once something was dropped everything that follows is. RESOURCE_EXHAUSTED without memory; *ret
 * (may be NULL): how many of the bytes were kept. */
int wr_kept_output_add(struct wr_kept_output *output, const void *bytes, size_t len,
                       size_t *ret_kept, struct wr_error *err) WR_MUST_CHECK;
/* As text; a character that the maximum has cut is left out. NULL without memory. */
struct wr_value *wr_kept_output_value(const struct wr_kept_output *output);
