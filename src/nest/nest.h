/* The nest's state and its one request handler. */
#pragma once

#include <linux/filter.h>

#include "nest/children.h"
#include "nest/contexts.h"
#include "nest/netns.h"
#include "nest/zygote.h"

struct wr_nest {
    struct wr_children children;
    struct wr_netns_pool netns;
    int home_tasks[8]; /* the nest's own v1 tasks files */
    size_t home_count;
    const struct sock_filter *seccomp; /* mapped from the engine's memfd, never freed */
    size_t seccomp_count;
    char *argv0;
    size_t argv0_len;
    int epoll_fd;
    int engine_fd; /* -1: none is connected */
    struct wr_contexts contexts;
    struct wr_zygote zygote;
};

/* What an epoll event is about, and which place of that table. */
enum wr_nest_event {
    WR_NEST_ON_LISTEN,
    WR_NEST_ON_SIGNAL,
    WR_NEST_ON_ENGINE,
    WR_NEST_ON_ZYGOTE,
    WR_NEST_ON_CONNECT, /* children */
    WR_NEST_ON_MESSAGE, /* contexts.calls */
};
#define WR_NEST_EVENT(kind, place) ((uint64_t)(kind) << 32 | (uint32_t)(place))

struct wr_nest_answer {
    struct wr_nest_reply reply;
    int fds[2 * WR_NEST_LIST_PAGE + 1]; /* borrowed unless `owned` */
    size_t fd_count;
    int owned_fd; /* closed after sending; -1 */
    bool silent;  /* no answer */
};

/* Handles one message. `payload` holds request->config_len bytes. Descriptors stay the caller's. */
void wr_nest_handle(struct wr_nest *nest, const struct wr_nest_request *request, char *payload,
                    const int *fds, size_t fd_count, struct wr_nest_answer *answer);
/* Adds what engines are told of a sandbox to the answer, apart from its descriptors. */
void wr_nest_answer_entry(struct wr_nest_answer *answer, const struct wr_child *child);
/* nest/spawn.c: starts one sandbox. */
int wr_nest_spawn(struct wr_nest *nest, const struct wr_nest_request *request, char *payload,
                  const int *fds, struct wr_nest_answer *answer, struct wr_error *err)
    WR_MUST_CHECK;
