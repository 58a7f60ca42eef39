/* The mode of a file as text, in the form of Go's os.FileMode. */
#pragma once

#include <sys/stat.h>

#include "base/base.h"

#define WR_FILE_MODE_LEN 20

/* "-rw-r--r--", "drwxr-xr-x", "Lrwxrwxrwx", "Dcrw-rw-rw-", "dtrwxrwxrwx". */
void wr_file_mode_text(mode_t mode, char out[static WR_FILE_MODE_LEN]);
