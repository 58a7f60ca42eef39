/* File systems whose changes are made elsewhere, so that inotify does not see them. */
#pragma once

#include <stdbool.h>

/* NFS, SMB and FUSE. False also when it cannot be found out. */
bool wr_is_network_fs(const char *path);
