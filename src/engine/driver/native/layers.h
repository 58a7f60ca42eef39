/*
 * Of which layers the root file system of a sandbox is made. A running sandbox keeps those that it
 * was started with, whatever became of its template, so their names stand in a file beside its
 * record, and in the manifest of what is saved of it.
 */
#pragma once

#include "engine/snapshot/manifest.h"

struct wr_driver;
struct wr_native_template;

struct wr_layer_names {
    char names[WR_MANIFEST_MAX_LAYERS][80]; /* lowest first; the device layer is the last */
    size_t count;
};

/* What new sandboxes of the template get. */
void wr_layer_names_of(const struct wr_native_template *t, struct wr_layer_names *ret);
/* <upper>/layers */
int wr_layer_names_write(int upper_fd, const struct wr_layer_names *names, struct wr_error *err)
    WR_MUST_CHECK;
int wr_layer_names_read(int upper_fd, struct wr_layer_names *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Stands for this stack; equal ones have the same. */
uint64_t wr_layer_names_id(const struct wr_layer_names *names);

/* Open directories, highest first: what wr_overlay_mount() takes. */
struct wr_layer_fds {
    int fds[WR_MANIFEST_MAX_LAYERS];
    size_t count;
};
/* DATA_LOSS names a layer that is missing. Opens all or none. */
int wr_layer_fds_open(struct wr_driver *driver, const struct wr_layer_names *names,
                      struct wr_layer_fds *ret, struct wr_error *err) WR_MUST_CHECK;
void wr_layer_fds_close(struct wr_layer_fds *fds);

/* Removes layers that neither a template, nor a sandbox, nor anything that is saved needs. Where it
 * cannot be known what is needed, everything stays. */
void wr_native_layers_collect(struct wr_driver *driver);
