/* Volumes from the operator's side. Blocking. Their files go through files.h. */
#pragma once

#include <jansson.h>

#include "client/client.h"

#define WR_VOLUME_ID_LEN 36

/* `size_bytes` 0: the server's default. *ret is the answer of the API, owned by the caller. */
int wr_volume_create(struct wr_client *client, const char *name, uint64_t size_bytes, json_t **ret,
                     struct wr_error *err) WR_MUST_CHECK;
/* An array: the volumes of all teams; owned by the caller. */
int wr_volume_list(struct wr_client *client, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* The id of the volume with that name or id. NOT_FOUND; FAILED_PRECONDITION when several teams have
 * the name. */
int wr_volume_find(struct wr_client *client, const char *name,
                   char ret_id[static WR_VOLUME_ID_LEN + 1], struct wr_error *err) WR_MUST_CHECK;
/* ABORTED while a sandbox has it mounted. */
int wr_volume_remove(struct wr_client *client, const char *id, struct wr_error *err) WR_MUST_CHECK;
