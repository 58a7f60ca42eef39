/* What clients are told about a file: envd's EntryInfo. */
#pragma once

#include <sys/stat.h>

#include "agent/fs/id_names.h"
#include "json/jwrite.h"

/*
 * Writes one object. `path` is where the file is, `shown` how the client is told; `st` comes from
 * lstat(). Size, times, owner and permissions are those of the file itself; type and mode of a
 * symbolic link are those of its target, and unspecified when that is not there. Values that cannot
 * be found out are left out.
 */
void wr_entry_write(struct wr_jw *w, const char *path, const char *shown, const struct stat *st,
                    struct wr_id_names *names);
