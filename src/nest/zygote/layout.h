/* The memory of the zygote as a fork should find it: no file of a foreign mount, and little to
 * copy. */
#pragma once

#include "base/base.h"

/*
 * Call once, single-threaded, when everything is loaded. Every private file mapping loses its file
 * (docs/internals/checkpoint.md): what is not writable moves into one sealed memfd, mapped
 * privately, whose page tables a fork does not copy; what is writable becomes anonymous. Writable
 * memory is then gathered into huge pages where whole ones fit. Needs /proc.
 *
 * 0 or a negative errno; after a failure each mapping is either the old or the new one.
 */
int wr_zygote_layout_apply(void) WR_MUST_CHECK;
