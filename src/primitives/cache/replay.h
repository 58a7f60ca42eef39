/* A result that was there before, as the events of an execution: who listens need not care. */
#pragma once

#include "warren/workflow.h"

/* Standard output, standard error, rich results and the error of `output`, in this order: how they
 * were mixed is not known any more. CANCELED when the listener gives up. */
int wr_cache_replay(const struct wr_value *output, struct wr_workflow *workflow,
                    struct wr_error *err);
