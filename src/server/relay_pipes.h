/*
 * Pipes for splice(2). Whoever has bytes under way holds one; empty ones are kept here, at most
 * WR_RELAY_SPARE_PIPES, as long as there are users.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_RELAY_PIPE_SIZE   (256 * 1024) /* asked for; the kernel may give less */
#define WR_RELAY_SPARE_PIPES 16

struct wr_relay_pipe {
    int read_fd, write_fd; /* owned; -1: none */
};

/* A user begins and ends; with the last one the spare pipes are closed. */
void wr_relay_pipes_hold(void);
void wr_relay_pipes_put(void);
/* An empty pipe. 0 or -errno (no descriptors left). */
int wr_relay_pipe_take(struct wr_relay_pipe *ret) WR_MUST_CHECK;
/* Gives it back, or closes it when it is not empty; sets both ends to -1. Accepts one without ends.
 */
void wr_relay_pipe_done(struct wr_relay_pipe *pipe, bool empty);
