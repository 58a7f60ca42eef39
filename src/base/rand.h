/* Random bytes from the kernel (getrandom). They abort the process if the kernel has none: cannot
 * happen after boot. */
#pragma once

#include "base/base.h"

void wr_random_bytes(void *out, size_t len);
/* `len` characters of [a-z0-9], NUL-terminated: `out` holds len + 1 bytes. */
void wr_random_id(char *out, size_t len);
