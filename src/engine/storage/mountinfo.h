/* The mount table: one line of /proc/self/mountinfo at a time (proc_pid_mountinfo(5)), unescaped.
 * Pure text work. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

struct wr_buf;

/* Pointers into the text that was parsed. */
struct wr_mountinfo {
    uint64_t id;             /* STATX_MNT_ID */
    const char *root;        /* what of the file system is mounted */
    const char *mount_point; /* where */
    const char *options;     /* of the mount: "rw,nosuid" */
    const char *fs_type;
    const char *source;
    const char *super_options; /* of the file system: "rw,memory" */
};

/* Takes the next well-formed line off *cursor (NUL-terminated text, changed in place); others are
 * skipped. False at the end. */
bool wr_mountinfo_next(char **cursor, struct wr_mountinfo *ret) WR_MUST_CHECK;
/* Whether the comma-separated `list` has this entry. */
bool wr_mountinfo_has_option(const char *list, const char *option);
/* Reads /proc/self/mountinfo into `out` (at most out->max bytes); *ret_text is its NUL-terminated
 * content. 0 or -errno. */
int wr_mountinfo_read(struct wr_buf *out, char **ret_text) WR_MUST_CHECK;

/* Enough for some ten thousand mounts. */
#define WR_MOUNTINFO_MAX ((size_t)4 << 20)
