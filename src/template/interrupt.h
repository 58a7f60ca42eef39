/* SIGINT, SIGTERM and SIGHUP as a descriptor, while a long operation of the CLI runs a child that
 * has to be ended first. */
#pragma once

#include <signal.h>

#include "base/error.h"

struct wr_interrupt {
    int fd; /* signalfd, owned; readable after one of the signals */
    sigset_t before;
};

#define WR_INTERRUPT \
    {                \
        .fd = -1     \
    }

/* Blocks the signals for this process (which has one thread). */
int wr_interrupt_open(struct wr_interrupt *in, struct wr_error *err) WR_MUST_CHECK;
/* Takes a signal that is waiting off the queue and restores the mask. Accepts WR_INTERRUPT. */
void wr_interrupt_done(struct wr_interrupt *in);
#define wr_auto_interrupt WR_CLEANUP(wr_interrupt_done) struct wr_interrupt
