/* The process that a request means. */
#pragma once

#include "agent/exec/process.h"

/* By the request's member "process", a ProcessSelector in normalised JSON: by pid or by tag,
 * running ones first, of several with one tag the newest. NULL with NOT_FOUND, or UNIMPLEMENTED
 * when neither is given. */
struct wr_process *wr_process_select(struct wr_process_table *table, const json_t *request,
                                     bool with_ended, struct wr_error *err);
