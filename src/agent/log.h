/*
 * The output log: the last lines that processes of this sandbox wrote, in a memory ring of fixed
 * size. When it is full the oldest lines go, and a reader is told how many it missed. The ring is
 * mapped at the first line, so a silent sandbox pays nothing.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"

#define WR_AGENT_LOG_LINE_MAX 4096 /* bytes of one record; longer lines become several records */
#define WR_AGENT_LOG_MIN      8192 /* a smaller ring is no ring */

enum wr_stream {
    WR_STREAM_STDOUT = 0,
    WR_STREAM_STDERR = 1,
    WR_STREAM_PTY = 2,
};
/* "stdout", "stderr", "pty". */
const char *wr_stream_name(enum wr_stream stream);

struct wr_agent_log {
    char *ring;
    size_t max_bytes;
    uint64_t head, tail; /* byte positions since the start: [head, tail) is kept */
    uint64_t first_seq;  /* number of the record at head, which is also how many were dropped */
    uint64_t next_seq;
};

/* `max_bytes` below WR_AGENT_LOG_MIN keeps no log. */
void wr_agent_log_init(struct wr_agent_log *log, uint64_t max_bytes);
void wr_agent_log_done(struct wr_agent_log *log);

/* Where output comes from; holds the beginning of a line whose end was not read yet. */
struct wr_agent_log_source {
    enum wr_stream stream;
    pid_t pid;
    struct wr_buf partial;
};
void wr_agent_log_source_init(struct wr_agent_log_source *source, enum wr_stream stream, pid_t pid);
/* Logs what is left of an unfinished line and frees the buffer. */
void wr_agent_log_source_flush(struct wr_agent_log *log, struct wr_agent_log_source *source);
/* Splits at newlines. Without memory for an unfinished line, its beginning becomes a record of its
 * own. */
void wr_agent_log_bytes(struct wr_agent_log *log, struct wr_agent_log_source *source,
                        const char *data, size_t len);

/* Zeroed: starts at the oldest record. */
struct wr_agent_log_cursor {
    uint64_t pos;
    uint64_t seq;
};
struct wr_agent_log_record {
    uint64_t wall_ms;
    uint64_t missed; /* records dropped between the previous one and this */
    enum wr_stream stream;
    pid_t pid;
    size_t len;
    char text[WR_AGENT_LOG_LINE_MAX];
};
/* Copies the next record and moves on. False at the end. */
bool wr_agent_log_next(const struct wr_agent_log *log, struct wr_agent_log_cursor *cursor,
                       struct wr_agent_log_record *ret) WR_MUST_CHECK;
