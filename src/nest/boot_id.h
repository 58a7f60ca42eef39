/* /proc/sys/kernel/random/boot_id of a sandbox: another one at each boot, and the same after it was
 * paused and resumed with its memory, on whatever host and boot that is. */
#pragma once

#include "base/error.h"

/* Into the device layer's tree, while that is still writable. */
int wr_boot_id_write(struct wr_error *err) WR_MUST_CHECK;
/* Over the kernel's, when procfs has its other covers. */
int wr_boot_id_cover(struct wr_error *err) WR_MUST_CHECK;
