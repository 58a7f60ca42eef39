/*
 * Layers that something else than a template needs: sandboxes that run or are saved, and snapshots
 * (docs/internals/snapshot.md, "Layers"). <data>/kept/<layer> is an empty file. The engine makes it
 * before it uses a layer for the first time and removes it when nobody does any more; whoever
 * removes a template leaves a layer alone that has one.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

/* `name`: of a directory in <data>/layers. Durable; costs nothing when it is kept already. Whoever
 * calls this must look afterwards whether the layer (or the template that names it) is still there:
 * it may have been removed a moment before. */
int wr_layer_keep(int data_dirfd, const char *name, struct wr_error *err) WR_MUST_CHECK;
/* True as well when that cannot be known. */
bool wr_layer_is_kept(int data_dirfd, const char *name);
/* No longer keeps the layers for which used() is false, and removes those that no template names.
 */
int wr_kept_layers_collect(int data_dirfd, bool (*used)(const char *name, void *data), void *data,
                           struct wr_error *err) WR_MUST_CHECK;
