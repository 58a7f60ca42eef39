/*
 * Makes forks of the nest dumpable. A fork that moves into a sandbox still maps the nest's program
 * file, and CRIU refuses to dump a process that maps files of a mount namespace which is not the
 * sandbox's (docs/internals/checkpoint.md).
 */
#pragma once

#include "base/base.h"

/*
 * Replaces every file mapping of this process that is private, or shared and not writable, by a
 * private anonymous copy with the same bytes and protection at the same address. Shared writable
 * mappings stay as they are.
 *
 * Call it once, single-threaded, before the first fork; forks then share the copies copy-on-write.
 * Needs /proc. Pages that lie beyond the end of a mapped file must not exist: copying them raises
 * SIGBUS.
 *
 * 0 or a negative errno: -E2BIG when /proc/self/maps is over 1 MiB; after any failure each mapping
 * is either the old or the new one.
 */
int wr_make_mappings_private(void) WR_MUST_CHECK;

/*
 * Makes the regular, executable file `exe_fd` (borrowed, opened for reading) what /proc/self/exe
 * links to. Needs a /proc of the own pid namespace and CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in
 * the own user namespace, and no mapping of the old file may be left (wr_make_mappings_private()).
 *
 * 0 or a negative errno: -EPERM without the capability, -EBUSY while the old file is mapped,
 * -EACCES when the file is not executable or its mount is noexec.
 */
int wr_set_exe_link(int exe_fd) WR_MUST_CHECK;
