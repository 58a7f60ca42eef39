/* Snapshots from a command's side. Blocking. The arrays and objects are the caller's. */
#pragma once

#include <jansson.h>

#include "client/persist_request.h"
#include "client/transport.h"

/* *ret: {"snapshotID", "names"}. */
int wr_api_snapshot_create(struct wr_transport *transport, const char *sandbox_id,
                           const struct wr_snapshot_opts *opts, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* All pages. */
int wr_api_snapshot_list(struct wr_transport *transport, const struct wr_snapshot_list_opts *opts,
                         json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* *ret: {"nodes": [...]}. NOT_FOUND. */
int wr_api_snapshot_tree(struct wr_transport *transport, const char *id, json_t **ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_api_snapshot_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
