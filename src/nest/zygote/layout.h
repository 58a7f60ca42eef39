/* The memory of the zygote as a fork should find it: no file of a foreign mount, and little to
 * copy. */
#pragma once

#include "base/base.h"

/*
 * Call once, single-threaded, when everything is loaded. Every private file mapping loses its file
 * (docs/internals/checkpoint.md) and moves into one sealed memfd, mapped privately, whose page
 * tables a fork does not copy. So do the heap and the arenas that wr_zygote_watch_arenas() noted.
 * Other writable memory is gathered into huge pages where whole ones fit. Needs /proc.
 *
 * 0 or a negative errno; after a failure each mapping is either the old or the new one.
 */
int wr_zygote_layout_apply(void) WR_MUST_CHECK;
