/*
 * The template's zygote, seen from the nest: a process of the nest's pid and user namespace with a
 * root file system, control groups and an id of its own, in which a warmed Python waits for
 * requests (docs/internals/zygote.md). The engine decides when there is one and gives what it
 * needs; the nest starts it, passes requests on and tells how it ended.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "nest/protocol.h"

struct wr_nest;
struct wr_child;
struct wr_context_request;

enum wr_zygote_state {
    WR_ZYGOTE_AWAITED, /* the engine will send what it needs */
    WR_ZYGOTE_WARMING,
    WR_ZYGOTE_READY,
    WR_ZYGOTE_NONE, /* there will be none */
};

struct wr_zygote {
    enum wr_zygote_state state;
    char id[WR_ID_LEN + 1]; /* of its control groups */
    uint64_t layers;
    pid_t pid; /* 0: no process */
    int pidfd;
    int sock;
    uint32_t sequence;
    uint64_t deadline_ms;   /* of the warming */
    uint64_t ready_pages;   /* resident when it was ready */
    struct wr_error reason; /* why it ends, once that is known */
};

/* WR_NEST_ZYGOTE: ends the one that there is, starts another one or, without descriptors, none. */
void wr_zygote_replace(struct wr_nest *nest, const struct wr_nest_request *request, const int *fds,
                       size_t fd_count);
/* Asks it for a child in the sandbox. 0 and *ret_sequence: the answer will come; -EAGAIN: later;
 * -ENOENT: there is none for this sandbox. The descriptors stay the caller's. */
int wr_zygote_forward(struct wr_nest *nest, const struct wr_child *child,
                      const struct wr_context_request *context, const int *fds,
                      uint32_t *ret_sequence) WR_MUST_CHECK;
/* Its socket is readable. */
void wr_zygote_on_reply(struct wr_nest *nest);
/* A process was reaped: true if it was the zygote. */
bool wr_zygote_ended(struct wr_nest *nest, pid_t pid, int status);
/* Kills it; `why` completes "the zygote ...". Its end is handled when it is reaped. */
void wr_zygote_kill(struct wr_nest *nest, const char *why);
/* Kills it if it took too long to warm. */
void wr_zygote_tick(struct wr_nest *nest);
