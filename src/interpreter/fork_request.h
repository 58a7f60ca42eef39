/* One request for a fork of the template's zygote, to the nest (nest/zygote_protocol.h). */
#pragma once

#include "agent/user.h"
#include "interpreter/language.h"
#include "loop/loop.h"

/* `result`: 0 when a child was forked, -EAGAIN: later, another -errno: there is none to be had. */
typedef void (*wr_fork_fn)(int result, void *data);

struct wr_fork_request {
    int fd; /* -1: none under way */
    struct wr_source source;
    wr_fork_fn fn;
    void *data;
};

/* `fds`: the child's socket, stdout and stderr, borrowed. 0: fn is called later, from the loop;
 * else the result, without a call. */
int wr_fork_begin(struct wr_fork_request *request, struct wr_loop *loop,
                  const struct wr_language *language, const struct wr_user *user, const char *cwd,
                  const int fds[static 3]) WR_MUST_CHECK;
/* Idempotent; no call. */
void wr_fork_cancel(struct wr_fork_request *request);
