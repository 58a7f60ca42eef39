#include "primitives/execute/turn.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define MAX_POLL_MS 60000

int wr_turn_init(struct wr_turn *turn, struct wr_error *err)
{
    turn->fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    return turn->fd < 0 ? wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "eventfd") : 0;
}

void wr_turn_done(struct wr_turn *turn)
{
    turn->fd = wr_close(turn->fd);
}

int wr_turn_take(struct wr_turn *turn, const struct wr_workflow *workflow, struct wr_error *err)
{
    uint64_t value = 0;

    if (turn->fd < 0)
        return 0;
    while (read(turn->fd, &value, sizeof value) < 0) {
        int r = wr_workflow_check(workflow, err);
        if (r < 0)
            return r;
        const struct wr_wait wait = wr_workflow_wait(workflow, MAX_POLL_MS);
        struct pollfd fds[] = {
            {.fd = turn->fd, .events = POLLIN},
            {.fd = wait.cancel ? wr_cancel_fd(wait.cancel) : -1, .events = POLLIN},
        };
        (void)poll(fds, WR_ARRAY_SIZE(fds), (int)wait.timeout_ms);
    }
    return 0;
}

void wr_turn_give(struct wr_turn *turn)
{
    const uint64_t one = 1;

    if (turn->fd >= 0)
        (void)!write(turn->fd, &one, sizeof one); /* cannot fail: the counter is 0 */
}
