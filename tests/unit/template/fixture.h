/* A data directory in a fresh temporary directory, removed when the test ends. */
#pragma once

#include "base/base.h"

/* Its descriptor stays open until the process ends. Fails the test when it cannot be made. */
int fixture_data_dir(void);
/* Path of the temporary directory, above the data directory ("<tmp>/data"). */
const char *fixture_path(void);
/* Number of entries of a directory below the data directory, without "." and ".." and the lock
 * file. */
size_t fixture_count(int data_dirfd, const char *dir);
/* Makes a file with that text below the temporary directory; gives its path (static buffer). */
const char *fixture_file(const char *name, const char *text);
