/*
 * How an agent gets a forked interpreter (docs/internals/zygote.md):
 *
 *   agent --(unix socket in the sandbox's network namespace)--> nest --(socketpair)--> zygote
 *
 * The agent connects to WR_CONTEXT_SOCKET, an abstract address that the nest bound in each
 * sandbox's network namespace before anything ran there, sends one wr_context_request with three
 * descriptors, reads one wr_context_reply and closes. The nest serves only the sandbox's PID 1
 * (SO_PEERCRED). It passes the request on with the sandbox's descriptors; the zygote forks a child
 * that joins the sandbox's namespaces and speaks the frames of interpreter/frame.h on the agent's
 * socket. Agent and nest are one program, nest and zygote helper are built together: fixed structs
 * of one version. The nest treats the agent, and the agent the sandbox's processes, as hostile.
 */
#pragma once

#include <stdint.h>

#include "nest/protocol.h"

#define WR_CONTEXT_MAGIC      0x57524331u      /* "WRC1" */
#define WR_CONTEXT_SOCKET     "warren-context" /* abstract, SOCK_SEQPACKET, length without NUL */
#define WR_CONTEXT_MAX_GROUPS 32
#define WR_CONTEXT_MAX_CWD    1024

enum wr_zygote_language {
    WR_ZYGOTE_PYTHON = 1,
};

/* Descriptors: context socket (stream; becomes fd 3), stdout pipe, stderr pipe (write ends; 1 and
 * 2). */
struct wr_context_request {
    uint32_t magic;
    uint32_t language;
    uint32_t uid, gid; /* inside the sandbox */
    uint32_t group_count;
    uint32_t groups[WR_CONTEXT_MAX_GROUPS];
    char cwd[WR_CONTEXT_MAX_CWD]; /* entered before ids are given up; "/" when that fails */
};

struct wr_context_reply {
    uint32_t magic;
    int32_t result; /* 0: a child was forked (its READY, or the end of its socket, follows);
                       -EAGAIN: the zygote is being started, or this sandbox asks too fast;
                       -ENOENT: this template has none: start the runner plainly; else -errno */
};

/*
 * Nest to zygote, SOCK_SEQPACKET, fd 3 of the zygote's process. Descriptors, in this order: pidfd
 * of the sandbox's PID 1, the three of the request, v1 tasks files (v1_count), v2 directory (if
 * has_v2).
 */
struct wr_zygote_request {
    uint32_t magic;
    uint32_t sequence;
    uint8_t v1_count;
    uint8_t has_v2;
    uint8_t no_clones; /* the sandbox's processes have wr_no_clones_filter (privilege_table.h) */
    uint8_t pad;
    struct wr_nest_rlimits rlimits; /* of the sandbox */
    struct wr_context_request context;
};

/* Zygote to nest. sequence 0, result 0: warmed, ready for requests. sequence 0, result < 0: cannot
   be warmed; `text` says why, the process ends. Otherwise the answer to a request. */
struct wr_zygote_reply {
    uint32_t magic;
    uint32_t sequence;
    int32_t result;
    char text[256];
};
