/*
 * The agent: PID 1 of a sandbox. It is a fork of the nest that was never exec'd; when
 * wr_agent_run() is called, isolation is complete: namespaces, root file system, capabilities,
 * seccomp filter, limits, session keyring and session id are set, only stdio (/dev/null) and the
 * listening socket are open, the signal mask is empty and dispositions are default, SIGCHLD
 * included. The process runs as uid 0 of the sandbox with a bounded capability set.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "agent/service.h"
#include "base/error.h"

/* The content_root of a sandbox that has one. */
#define WR_CONTENT_ROOT "/volume"

struct wr_agent_config {
    const char *sandbox_id; /* borrowed, like all texts here */
    const char *template_name;
    const char *default_user;    /* for processes and files when the caller names none */
    const char *default_workdir; /* may be empty: the user's home */
    const json_t *env;  /* object of strings: variables of every process, besides those that say
                           which      sandbox this is; may be NULL */
    int listen_fd;      /* owned; listening TCP socket, non-blocking, close-on-exec */
    int interpreter_fd; /* the same, of the interpreter service; -1: none */
    const struct wr_agent_service *interpreter; /* serves interpreter_fd; NULL: nobody */
    bool blank; /* prepare for a user who is not known yet (docs/internals/interpreter.md) */
    const char *content_root; /* serve the files below it (fs/content.h); NULL: no such routes */
    uint64_t cpu_millis;    /* thousandths of a processor that the sandbox may use; 0: not known */
    uint64_t log_max_bytes; /* memory that the output log may take */
    const char *access_token;  /* what callers have to know; NULL: anybody may call */
    const char *control_token; /* what callers of /init have to know; NULL: nobody may call it */
};

/* Serves until a fatal error. Returns the exit status of PID 1; when it exits, the kernel kills the
 * sandbox. */
int wr_agent_run(const struct wr_agent_config *config);
