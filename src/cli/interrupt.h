/*
 * Signals of a command whose calls block in several threads: SIGINT, SIGTERM or SIGHUP fires a
 * token, so that the calls come back and clean up; a second one ends the process at once.
 */
#pragma once

#include "base/base.h"
#include "warren/cancel.h"

struct wr_interrupt;

/* To be made before other threads are: they inherit that the signals are blocked. */
int wr_interrupt_new(struct wr_interrupt **ret, struct wr_error *err) WR_MUST_CHECK;
/* Signals do what they did before. Accepts NULL, returns NULL. */
struct wr_interrupt *wr_interrupt_free(struct wr_interrupt *interrupt);

/* Borrowed. */
struct wr_cancel *wr_interrupt_cancel(const struct wr_interrupt *interrupt);
/* As if `signo` had come: SIGPIPE when nobody reads the output any more. Any thread. */
void wr_interrupt_raise(struct wr_interrupt *interrupt, int signo);
/* Why calls end with CANCELED: the first signal; 0: none has come. */
int wr_interrupt_signal(const struct wr_interrupt *interrupt);
