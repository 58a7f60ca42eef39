/*
 * Paths in a volume. Sandboxes write there while they are resolved, so the kernel does it
 * (openat2): links, absolute ones too, lead nowhere but into the volume, whatever is exchanged
 * meanwhile, and what was found is used by its descriptor.
 */
#pragma once

#include <limits.h>
#include <sys/stat.h>

#include "base/base.h"

/* All return 0 (or a descriptor, the caller's) or -errno; -EAGAIN: it changed all the time, or
 * somebody holds a lease on it. */

/* The directory that is the volume. */
int wr_content_root(const char *path) WR_MUST_CHECK;
/* `path` is clean; `flags` as of openat2(), O_CLOEXEC is added. */
int wr_content_open(int root, const char *path, int flags) WR_MUST_CHECK;

/* An entry and the directory that it is in, which is resolved, while the entry may be a link or
 * missing. */
struct wr_content_place {
    int parent;              /* owned; of the root itself: the root */
    char name[NAME_MAX + 1]; /* "" for the root itself */
};
#define WR_CONTENT_NOWHERE \
    {                      \
        .parent = -1       \
    }
int wr_content_place(int root, const char *path, struct wr_content_place *ret) WR_MUST_CHECK;
void wr_content_place_done(struct wr_content_place *place);
/* Of the entry itself, not of what a link leads to. */
int wr_content_place_stat(const struct wr_content_place *place, struct stat *ret) WR_MUST_CHECK;
