/* What executed code puts out, for people: text as it comes, results by their text, errors by their
 * traceback. Pictures and other formats are named, not shown. */
#pragma once

#include "cli/turns.h"
#include "warren/code.h"

struct wr_execution_view {
    struct wr_turns *turns; /* borrowed */
    size_t number;
};

/* A wr_code_fn; `data` is a struct wr_execution_view. */
int wr_execution_view_event(const struct wr_code_event *event, void *data);
