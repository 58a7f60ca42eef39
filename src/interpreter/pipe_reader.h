/*
 * One of the two pipes of a runner: what subprocesses and C code of a cell write. A character that
 * was cut by a write or a read is put together again.
 */
#pragma once

#include <stdbool.h>

#include "agent/log.h"
#include "loop/loop.h"

struct wr_pipe_reader;
typedef void (*wr_pipe_fn)(struct wr_pipe_reader *reader, const char *data, size_t len,
                           void *owner);
/* There is something to read, or it has ended: the owner calls wr_pipe_reader_read(). */
typedef void (*wr_pipe_ready_fn)(struct wr_pipe_reader *reader, void *owner);

struct wr_pipe_reader {
    int fd; /* owned; -1: closed */
    struct wr_loop *loop;
    struct wr_source source;
    enum wr_stream stream;
    wr_pipe_fn on_text; /* whole characters, and bytes that are none */
    wr_pipe_ready_fn on_ready;
    void *owner;
    size_t left;  /* bytes that belong to a cell that has ended, see wr_pipe_reader_mark() */
    char tail[3]; /* beginning of a character */
    size_t tail_len;
};

/* `fd` is non-blocking and becomes owned once this succeeded. The pipe is read from now on. */
int wr_pipe_reader_open(struct wr_pipe_reader *reader, struct wr_loop *loop, int fd,
                        struct wr_error *err) WR_MUST_CHECK;
/* Stops and restarts reading from the loop. */
int wr_pipe_reader_pause(struct wr_pipe_reader *reader, bool paused, struct wr_error *err)
    WR_MUST_CHECK;
/* Reads once. False when there is nothing now. */
bool wr_pipe_reader_read(struct wr_pipe_reader *reader);
/* What is in the pipe now is the last of a cell. */
void wr_pipe_reader_mark(struct wr_pipe_reader *reader);
/* Gives out an unfinished character as it is. */
void wr_pipe_reader_flush(struct wr_pipe_reader *reader);
void wr_pipe_reader_close(struct wr_pipe_reader *reader);
