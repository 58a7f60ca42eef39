/* Hibernated sandboxes whose manifest cannot be read. */
#pragma once

#include "engine/driver/native/native.h"
#include "engine/snapshot/manifest.h"

/*
 * What the record and the list of layers beside the files of such a sandbox say: enough to boot it
 * from its files. *ret has no image. NOT_FOUND: there is no sandbox with that name, so that the
 * manifest is a snapshot's.
 */
int wr_damaged_load(struct wr_driver *driver, const char *id, struct wr_manifest *ret,
                    struct wr_error *err) WR_MUST_CHECK;
