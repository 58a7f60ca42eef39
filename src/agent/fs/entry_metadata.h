/* What clients have attached to a file (see metadata.h), by its path and without opening it. */
#pragma once

#include "json/jwrite.h"

/* `"metadata":{...}` inside of an object; nothing when there is none. Values that are not UTF-8 are
 * left out. */
void wr_entry_metadata_write(struct wr_jw *w, const char *path);
