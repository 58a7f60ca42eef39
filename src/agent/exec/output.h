/*
 * One output stream of a process: a pipe or the controlling side of a pty. Reads are bounded and
 * happen only while every reader of the process keeps up, so a stopped reader stops the writer in
 * the sandbox and not the agent's memory.
 */
#pragma once

#include "agent/log.h"
#include "loop/loop.h"

struct wr_output;

struct wr_output_ops {
    /* Bytes that the process wrote. */
    void (*on_data)(struct wr_output *output, const char *data, size_t len, void *owner);
    /* End of file or a broken stream; the descriptor is closed already. */
    void (*on_end)(struct wr_output *output, void *owner);
};

struct wr_output {
    struct wr_loop *loop;
    struct wr_source source;
    int fd; /* owned; -1: closed */
    enum wr_stream stream;
    bool paused;
    struct wr_agent_log_source lines;
    const struct wr_output_ops *ops;
    void *owner;
    struct wr_buf
        *scratch; /* borrowed: one for all streams, a chunk is handed on before the next is read */
};

/* `ops`, `owner` and `scratch` are set by the caller. `fd` must be non-blocking; it becomes owned
 * once this succeeded. */
int wr_output_open(struct wr_output *output, struct wr_loop *loop, int fd, enum wr_stream stream,
                   struct wr_error *err) WR_MUST_CHECK;
void wr_output_pause(struct wr_output *output, bool paused);
/* Reads what is there now, at most WR_EXEC_DRAIN_CHUNKS times, paused or not. */
void wr_output_drain(struct wr_output *output);
/* Closes without on_end. */
void wr_output_close(struct wr_output *output);
