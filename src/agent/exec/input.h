/*
 * What is sent to a process: its stdin pipe or its pty. Bytes that the pipe does not take at once
 * wait in a queue with a maximum; when that is full, the write itself waits, and whoever sent it is
 * held back.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "loop/loop.h"

struct wr_input {
    struct wr_loop *loop;
    int fd;                  /* owned; -1: never opened, or closed */
    bool closing;            /* close when everything before is written */
    struct wr_source source; /* in the loop only while something is queued */
    struct wr_buf queue;
    struct wr_list writes; /* that wait, oldest first */
    size_t *waiting_bytes; /* borrowed: of all processes together */
};

/* Bytes on their way; embedded in its sender's struct, zeroed before its first use. */
struct wr_input_write {
    struct wr_list link; /* linked while it waits */
    struct wr_input *input;
    struct wr_buf data;
    /* Set by the sender. The bytes were accepted, or (`error` non-NULL) will never be. Called from
     * the loop, with the write ready for its next use; may free it. */
    void (*done)(struct wr_input_write *write, const struct wr_error *error);
};

/* `fd` (owned, non-blocking, or -1) and the shared count of waiting bytes. */
void wr_input_init(struct wr_input *input, struct wr_loop *loop, int fd, size_t *waiting_bytes);
/* Writes that wait are told that they failed. Idempotent. */
void wr_input_done(struct wr_input *input);

/*
 * Takes `len` bytes: 0 when they were accepted at once, 1 when `write` waits (then its `done` is
 * called later). On failure `done` is not called: WR_E_INTERNAL when the input is closed,
 * WR_E_RESOURCE_EXHAUSTED when too much waits.
 */
int wr_input_send(struct wr_input *input, struct wr_input_write *write, const char *data,
                  size_t len, struct wr_error *err) WR_MUST_CHECK;
/* Forgets a write that waits; what was not queued yet is dropped. Idempotent. */
void wr_input_write_cancel(struct wr_input_write *write);
/* Closes once the queue is drained. Idempotent. */
void wr_input_close(struct wr_input *input);
