/*
 * The answer of an agent to GET /logs: one JSON object per line, {"ts", "stream", "pid", "line"}.
 * Whoever is root in the sandbox may write it: nothing is believed, everything is bounded, and what
 * is not of the form is passed over.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

#define WR_AGENT_LOG_MAX_LINE ((size_t)64 * 1024)
#define WR_AGENT_LOG_MAX      ((uint64_t)64 * 1024 * 1024) /* bytes of one answer that are read */

struct wr_agent_line {
    uint64_t at_ms; /* as the agent says */
    const char *stream;
    int64_t pid;
    const char *text;
};

struct wr_agent_log {
    struct wr_buf line; /* what has come of the line that is not complete */
    bool skipping;      /* that line is too long */
    uint64_t total;
};

void wr_agent_log_init(struct wr_agent_log *log);
void wr_agent_log_done(struct wr_agent_log *log);
/* Calls `fn` for each line that became complete; its strings are borrowed, and false from it ends
 * everything. False: no more is wanted, or the answer is too long. */
bool wr_agent_log_feed(struct wr_agent_log *log, const char *data, size_t len,
                       bool (*fn)(const struct wr_agent_line *line, void *fn_data), void *fn_data);
