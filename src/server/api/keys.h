/* /api-keys: keys of the own team, or of any one for the operator. A key is shown once, by the
 * answer that tells of its creation. */
#pragma once

#include "http/router.h"
#include "json/jread.h"

struct wr_api_op;

void wr_api_keys_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_keys_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_keys_rename(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_keys_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data);

/* The members of a request's body; unknown ones are refused unless the server is lenient. */
int wr_api_body_read(const struct wr_api_op *op, const json_t *json,
                     const struct wr_json_field *fields, size_t count, struct wr_error *err)
    WR_MUST_CHECK;
/* What people call keys and teams: 1 to WR_STORE_NAME_MAX bytes without control characters. */
int wr_api_name_check(const char *name, struct wr_error *err) WR_MUST_CHECK;
