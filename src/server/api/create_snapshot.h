/* What a sandbox that is created from a snapshot has from there. */
#pragma once

#include "server/api/create_request.h"

/*
 * Its volumes, which a request can only repeat; its environment, under the request's; and it is
 * never more open than the sandbox that the snapshot was taken of, unless the request says that its
 * ports are public. INVALID_ARGUMENT. `snapshot` has to stay until the request is done with.
 */
int wr_api_create_from_snapshot(struct wr_store *store, const struct wr_store_snapshot *snapshot,
                                struct wr_create_request *request, struct wr_error *err)
    WR_MUST_CHECK;
