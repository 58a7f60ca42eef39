/* Which descriptors a fork of the nest keeps. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define WR_FIRST_KEPT_FD 3

/*
 * Stdio on /dev/null; the `count` descriptors that are named move to WR_FIRST_KEPT_FD and up, in
 * their order; everything else is closed. They are close-on-exec unless `inherit`. On success
 * *kept[i] is the new number.
 */
int wr_descriptors_arrange(int **kept, size_t count, bool inherit, struct wr_error *err)
    WR_MUST_CHECK;
