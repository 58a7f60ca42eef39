/*
 * Removal of whole trees in steps, for whoever has other things to do meanwhile: of any depth, with
 * a fixed number of descriptors, no recursion, no link followed and no mount crossed. In one go:
 * wr_remove_tree() of file.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"

struct wr_removal;

/* Begins the removal of `path`, relative to the directory `dirfd`, which stays the caller's and
 * open until the end. *ret is NULL when nothing is left to do: it was not there, or no directory. 0
 * or -errno. */
int wr_removal_begin(int dirfd, const char *path, struct wr_removal **ret) WR_MUST_CHECK;
/* Looks at up to `entries` entries. True while there is more to do. */
bool wr_removal_step(struct wr_removal *r, size_t entries) WR_MUST_CHECK;
/* Stops and frees it. 0 when the tree is gone, the first -errno of what resisted (what could be
 * removed is), or -ECANCELED before the last step. */
int wr_removal_end(struct wr_removal *r);
