/* Lines of the answer's stream: one JSON object each, ASCII only, ended by a line break. */
#pragma once

#include "agent/log.h"
#include "base/buf.h"

/* What errors of the service itself are called; the clients' users see these names. */
#define WR_ERROR_ENDED      "UnexpectedEndOfExecution"
#define WR_ERROR_RESTARTING "ContextRestarting"
#define WR_ERROR_START      "ContextStartError"
#define WR_ERROR_OUTPUT     "InvalidOutputError"
#define WR_ERROR_ENDED_TEXT \
    "Connection to the execution was closed before the execution was finished"
#define WR_ERROR_RESTARTING_TEXT "Context was restarted"

/* Each replaces the content of `out`. 0, -ENOBUFS or -ENOMEM. */

/* {"type":"stdout"|"stderr","text","timestamp"}: bytes that are no UTF-8 become U+FFFD; the time is
 * now. */
int wr_line_text(struct wr_buf *out, enum wr_stream stream, const char *data, size_t len)
    WR_MUST_CHECK;
/* {"type":"error","name","value","traceback"} */
int wr_line_error(struct wr_buf *out, const char *name, const char *value, const char *traceback)
    WR_MUST_CHECK;
/* {"type":"number_of_executions","execution_count"} */
int wr_line_count(struct wr_buf *out, uint64_t count) WR_MUST_CHECK;

extern const char wr_line_keepalive[];
extern const char wr_line_end[];

/* "2026-01-01T00:00:00.123456+00:00" of microseconds since 1970; `out` holds 33 bytes. */
void wr_line_time(uint64_t wall_us, char out[static 33]);
