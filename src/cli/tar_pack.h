/* Packs a directory of the host as a tar stream: files, directories and symbolic links with their
 * permissions, without owners. */
#pragma once

#include "base/error.h"

/* Takes all bytes or returns -WR_E_*. */
typedef int (*wr_tar_write_fn)(void *data, const void *bytes, size_t len, struct wr_error *err);

/* Names are relative to `directory`; other mounts are entered, links are not followed, special
 * files are left out. */
int wr_tar_pack(const char *directory, wr_tar_write_fn write, void *data, struct wr_error *err)
    WR_MUST_CHECK;
