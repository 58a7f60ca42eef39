/* The first API key, and what to do with it. */
#pragma once

#include "cli/front.h"

/* When clients can come over TCP and the server knows no key: makes one and prints it once, with
 * how to use it, to standard output. Called as the server's user. */
int wr_first_start(const struct wr_front *front, struct wr_error *err) WR_MUST_CHECK;
