/* The messages of process streams as JSON (protobuf JSON mapping: default values are left out). */
#pragma once

#include "agent/exec/process.h"

/* Each replaces the content of `out`. 0 or -errno. */
int wr_event_start(struct wr_buf *out, pid_t pid) WR_MUST_CHECK;
int wr_event_data(struct wr_buf *out, enum wr_stream stream, const char *data, size_t len)
    WR_MUST_CHECK;
int wr_event_end(struct wr_buf *out, const struct wr_exit *status) WR_MUST_CHECK;
int wr_event_keepalive(struct wr_buf *out) WR_MUST_CHECK;

/* "exit status 3", "signal: killed", "signal: aborted (core dumped)"; `out` holds at least 64
 * bytes. */
void wr_exit_text(const struct wr_exit *status, char *out, size_t cap);
