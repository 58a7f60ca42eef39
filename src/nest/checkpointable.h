/*
 * Makes forks of the nest dumpable. A fork that moves into a sandbox still maps the nest's program
 * file, and CRIU refuses to dump a process that maps files of a mount namespace which is not the
 * sandbox's (docs/internals/checkpoint.md).
 */
#pragma once

#include <sys/prctl.h>

#include "nest/mappings.h"

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
/* The same for one mapping, whatever it is. */
int wr_mapping_make_private(const struct wr_mapping *map) WR_MUST_CHECK;

/*
 * What the kernel knows about this process's memory (struct prctl_mm_map of linux/prctl.h), as
 * wr_exe_link_set() wants it. Forks may use what their parent read: the addresses are the same.
 * Needs /proc. 0 or a negative errno.
 */
int wr_exe_link_read(struct prctl_mm_map *ret) WR_MUST_CHECK;

/*
 * Makes the regular, executable file `exe_fd` (borrowed, opened for reading) what /proc/self/exe
 * links to. Needs CAP_CHECKPOINT_RESTORE or CAP_SYS_ADMIN in the own user namespace, and no mapping
 * of the old file may be left (wr_make_mappings_private()). Of `map` only brk and exe_fd are
 * written.
 *
 * 0 or a negative errno: -EPERM without the capability, -EBUSY while the old file is mapped,
 * -EACCES when the file is not executable or its mount is noexec.
 */
int wr_exe_link_set(struct prctl_mm_map *map, int exe_fd) WR_MUST_CHECK;
/* Both. Needs a /proc of the own pid namespace. */
int wr_set_exe_link(int exe_fd) WR_MUST_CHECK;
