/*
 * The server process: control API and ingress on the sockets that it is given. It holds no
 * privileges; whatever needs them is asked from the engine (engine/action.h). The caller has
 * dropped privileges before.
 */
#pragma once

#include "base/error.h"
#include "server/config.h"

/* Lifetime of a sandbox from the last time it was set, seconds. */
#define WR_TIMEOUT_DEFAULT_S 300u
#define WR_TIMEOUT_MAX_S     86400u

struct wr_server_opts {
    int engine_fd;                          /* SOCK_SEQPACKET; becomes owned (also on failure) */
    const struct wr_server_config *config;  /* borrowed until the server has ended */
    const struct wr_listen_spec *listeners; /* their descriptors become owned (also on failure) */
    size_t listener_count;                  /* at most WR_MAX_LISTENERS */
    int ready_fd;             /* -1, or what is told when requests are served; becomes owned */
    const char *ready_text;   /* what it is told, in one write */
    uint64_t idle_timeout_ms; /* 0: never; else without request, connection and sandbox for that
                                 long it ends itself and the engine */
};

/* Runs until SIGTERM or SIGINT (sandboxes live on), until it was idle for long enough, or until the
 * engine is lost (UNAVAILABLE). */
int wr_server_run(const struct wr_server_opts *opts, struct wr_error *err) WR_MUST_CHECK;
