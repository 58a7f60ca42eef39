/* One thread that waits for another one, or for the end of its workflow, without polling. */
#pragma once

#include "base/list.h"
#include "warren/workflow.h"

struct wr_waiter {
    struct wr_list link; /* its owner's */
    int fd;              /* eventfd: a wake that comes before the wait is not lost */
};

enum wr_waiter_end {
    WR_WAITER_WOKEN = 0,
    WR_WAITER_TIME = 1, /* the moment has come */
};

int wr_waiter_init(struct wr_waiter *waiter, struct wr_error *err) WR_MUST_CHECK;
void wr_waiter_done(struct wr_waiter *waiter);
/* From any thread; once is enough. */
void wr_waiter_wake(struct wr_waiter *waiter);
/* Until it is woken, for `bound_ms` at most (0: no bound), or until the workflow (NULL: none) ends:
 * CANCELED or DEADLINE_EXCEEDED. Otherwise enum wr_waiter_end. */
int wr_waiter_wait(struct wr_waiter *waiter, const struct wr_workflow *workflow, uint64_t bound_ms,
                   struct wr_error *err) WR_MUST_CHECK;
