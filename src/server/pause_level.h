/* How far a sandbox is from running, as engine/action.h has it in words
 * (docs/internals/snapshot.md).
 */
#pragma once

#include <stdbool.h>

enum wr_pause_level {
    WR_PAUSE_NONE = 0, /* it runs */
    WR_PAUSE_FROZEN = 1,
    WR_PAUSE_PAGED = 2,
    WR_PAUSE_HIBERNATED = 3, /* on the disk: survives everything */
};
#define WR_PAUSE_LEVELS 4

/* "running", "frozen", "paged", "hibernated". */
const char *wr_pause_level_name(enum wr_pause_level level);
/* False for other words. */
bool wr_pause_level_parse(const char *name, enum wr_pause_level *ret);
