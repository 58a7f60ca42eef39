#include "primitives/orchestrate/waiter.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

#define LONGEST_POLL_MS ((uint64_t)60000)

int wr_waiter_init(struct wr_waiter *waiter, struct wr_error *err)
{
    *waiter = (struct wr_waiter){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    return waiter->fd >= 0 ? 0 : wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "waiting");
}

void wr_waiter_done(struct wr_waiter *waiter)
{
    waiter->fd = wr_close(waiter->fd);
}

void wr_waiter_wake(struct wr_waiter *waiter)
{
    const uint64_t one = 1;

    /* Cannot fail: the counter is far from its maximum. */
    (void)!write(waiter->fd, &one, sizeof one);
}

/* The earlier of the bound's end and the workflow's; 0: none. */
static uint64_t end_of(const struct wr_workflow *workflow, uint64_t bound_ms)
{
    uint64_t left = workflow ? wr_workflow_wait(workflow, bound_ms).timeout_ms : bound_ms;

    return left ? wr_mono_ms() + left : 0;
}

int wr_waiter_wait(struct wr_waiter *waiter, const struct wr_workflow *workflow, uint64_t bound_ms,
                   struct wr_error *err)
{
    uint64_t end = end_of(workflow, bound_ms);
    struct pollfd fds[] = {
        {.fd = waiter->fd, .events = POLLIN},
        {.fd = workflow ? wr_cancel_fd(wr_workflow_wait(workflow, 0).cancel) : -1,
         .events = POLLIN},
    };

    for (;;) {
        uint64_t now = wr_mono_ms();
        uint64_t left = !end ? LONGEST_POLL_MS : now < end ? end - now : 0;
        int n = poll(fds, WR_ARRAY_SIZE(fds), (int)WR_MIN(left, LONGEST_POLL_MS));
        if (n < 0 && errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "waiting");
        if (n > 0 && fds[0].revents)
            return WR_WAITER_WOKEN;
        int r = workflow ? wr_workflow_check(workflow, err) : 0;
        if (r < 0)
            return r;
        if (end && wr_mono_ms() >= end)
            return WR_WAITER_TIME;
    }
}
