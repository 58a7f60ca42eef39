/*
 * Start of a runner's process: a fork of the template's zygote where there is one, else the program
 * of its language. Nothing here waits; the loop tells when it is done.
 */
#pragma once

#include "agent/env.h"
#include "agent/user.h"
#include "base/list.h"
#include "interpreter/language.h"
#include "loop/loop.h"

struct wr_start;

/* Whose turn it is at the zygote. The nest turns away what is too much at a time, and counts it
 * like the rest: many that come again and again would leave no room for each other. */
struct wr_start_queue {
    struct wr_list waiting; /* in the order in which they began */
    size_t open;            /* of those whose turn it is */
};

struct wr_start_opts {
    struct wr_loop *loop;
    const struct wr_language *language;
    const struct wr_user *user;   /* copied */
    const struct wr_env *env;     /* copied */
    const char *cwd;              /* copied; entered with root's rights */
    uint64_t cpu_millis;          /* what the sandbox may use; 0: not known */
    bool plain;                   /* do not ask for a fork */
    struct wr_start_queue *queue; /* outlives the start; not looked at when there is no zygote */
};

struct wr_start_result {
    pid_t pid;   /* -1: not known, the runner's READY says it */
    bool forked; /* from the zygote */
};
/* Called once, from the loop: `err` NULL when a process was made. The start is gone afterwards. */
typedef void (*wr_start_fn)(const struct wr_start_result *result, const struct wr_error *err,
                            void *data);

/* `fds`: the runner's ends of socket, stdout and stderr; they become owned (also on failure) and
 * are closed when the start is over. */
int wr_start_begin(const struct wr_start_opts *opts, const int fds[static 3], wr_start_fn fn,
                   void *data, struct wr_start **ret, struct wr_error *err) WR_MUST_CHECK;
/* Gives up without a call. A fork that is under way then finds its socket closed. Accepts NULL,
 * returns NULL. */
struct wr_start *wr_start_cancel(struct wr_start *start);
