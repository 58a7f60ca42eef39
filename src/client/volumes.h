/* Volumes from the operator's side. Blocking. Their files go through files.h. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

#define WR_VOLUME_ID_LEN 36

/* `size_bytes` 0: the server's default. *ret is the answer of the API, owned by the caller. */
int wr_api_volume_create(struct wr_transport *transport, const char *name, uint64_t size_bytes,
                         json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* An array: the volumes of all teams; owned by the caller. */
int wr_api_volume_list(struct wr_transport *transport, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The id of the volume with that name or id. NOT_FOUND; FAILED_PRECONDITION when several teams have
 * the name. */
int wr_api_volume_find(struct wr_transport *transport, const char *name,
                       char ret_id[static WR_VOLUME_ID_LEN + 1], struct wr_error *err)
    WR_MUST_CHECK;
/* ABORTED while a sandbox has it mounted. */
int wr_api_volume_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
