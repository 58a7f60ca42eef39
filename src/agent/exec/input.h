/*
 * What is sent to a process: its stdin pipe or its pty. Bytes that the pipe does not take at once
 * wait in a queue with a maximum; when that is full, the SendInput call itself waits, unanswered,
 * so its sender is held back.
 */
#pragma once

#include "base/buf.h"
#include "http/server.h"
#include "loop/loop.h"

struct wr_input {
    struct wr_loop *loop;
    int fd;                  /* owned; -1: never opened, or closed */
    bool closing;            /* close when everything before is written */
    struct wr_source source; /* in the loop only while something is queued */
    struct wr_buf queue;
    struct wr_list waiters;
    size_t *waiting_bytes; /* borrowed: of all processes together */
};

/* `fd` (owned, non-blocking, or -1) and the shared count of waiting bytes. */
void wr_input_init(struct wr_input *input, struct wr_loop *loop, int fd, size_t *waiting_bytes);
/* Calls that wait are answered with an error. Idempotent. */
void wr_input_done(struct wr_input *input);

/*
 * Takes `len` bytes and answers the exchange with {} when they are accepted: at once, or later from
 * the loop. On failure the exchange is left to the caller: WR_E_INTERNAL when the input is closed,
 * WR_E_RESOURCE_EXHAUSTED when too much waits.
 */
int wr_input_send(struct wr_input *input, struct wr_exchange *ex, const char *data, size_t len,
                  struct wr_error *err) WR_MUST_CHECK;
/* Closes once the queue is drained. Idempotent. */
void wr_input_close(struct wr_input *input);
