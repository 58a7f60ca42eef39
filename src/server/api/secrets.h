/*
 * /secrets: values that the egress puts into headers (egress/intercept.h). A value is written and
 * never shown again. Of the own team; the operator may name another one (?teamID=).
 */
#pragma once

#include "http/router.h"

#define WR_SECRETS_OF_TEAM       1000
#define WR_SECRET_METADATA_MAX   32   /* entries */
#define WR_SECRET_METADATA_KEY   128  /* bytes */
#define WR_SECRET_METADATA_VALUE 1024 /* bytes */

void wr_api_secrets_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_secrets_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_secrets_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_secrets_update(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_secrets_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
/* Adds "Cache-Control: no-store" to an answer, of whoever, to a request for one of these paths. */
void wr_api_secrets_begin(struct wr_exchange *ex);
