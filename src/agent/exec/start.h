/* From a StartRequest to a running process in the table. */
#pragma once

#include "agent/exec/pty.h"
#include "agent/state.h"
#include "agent/user.h"

/* A checked StartRequest; everything is borrowed from its JSON. */
struct wr_start_request {
    json_t *config; /* the ProcessConfig */
    const char *cmd;
    json_t *args; /* NULL or an array of strings */
    json_t *envs; /* NULL or an object */
    const char *cwd;
    const char *tag; /* NULL: none */
    bool stdin_open; /* absent means true */
    bool is_pty;
    struct wr_pty_size size;
};
/* WR_E_INVALID_ARGUMENT names the field. Unknown fields are ignored (protobuf JSON mapping). */
int wr_start_parse(json_t *message, struct wr_start_request *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* PTY message -> size. */
int wr_start_parse_pty(json_t *pty, struct wr_pty_size *ret, struct wr_error *err) WR_MUST_CHECK;

/* Starts it as `user`. `timeout_ms` 0: no deadline. */
int wr_start_process(struct wr_agent *agent, const struct wr_start_request *request,
                     const struct wr_user *user, uint64_t timeout_ms, struct wr_process **ret,
                     struct wr_error *err) WR_MUST_CHECK;
