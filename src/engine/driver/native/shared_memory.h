/* Memory that a sandbox has in common with others, and which an image of it therefore leaves out
 * (snapshot/memory.h). */
#pragma once

#include "engine/snapshot/memory.h"

struct wr_driver;
struct wr_kit;

/* For jobs, of a sandbox that is frozen: what its processes have mapped is in the store afterwards,
 * held for `id`. What cannot be kept, for whatever reason, is not in the list: it gets into the
 * image. */
void wr_shared_memory_keep(struct wr_driver *driver, const struct wr_kit *kit, const char *id,
                           struct wr_memory_files *ret);

/* Removes what neither a sandbox nor anything that is saved needs: now, or within a second or two.
 */
void wr_shared_memory_collect(struct wr_driver *driver);
void wr_shared_memory_collect_soon(struct wr_driver *driver);
