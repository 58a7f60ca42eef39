/*
 * The sandbox goes on from an image: every runner gets new randomness, and in a fork what its
 * environment says about the sandbox (docs/internals/interpreter.md, "Images").
 */
#pragma once

#include "interpreter/interpreter.h"

/* Tells every runner. Calls `done` once, when those that were idle have confirmed or WR_RENEWAL_MS
 * are over; possibly before it returns. `env`: an object of strings, borrowed, or NULL. */
void wr_renewal_begin(struct wr_interpreter *interpreter, const json_t *env,
                      void (*done)(void *data), void *data);
/* From contexts: one of them has confirmed, or has no runner any more. Ends the renewals when none
 * is left to wait for. */
void wr_renewals_look(struct wr_interpreter *interpreter);
