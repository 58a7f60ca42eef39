/* The read side of /templates. Every template of the host is there for every team. */
#pragma once

#include "http/router.h"

/* Handlers for wr_route tables; `data` is the struct wr_api_request. */
void wr_api_templates_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_templates_list_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data);
void wr_api_templates_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_templates_alias(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_templates_tags(struct wr_exchange *ex, const struct wr_route_match *match, void *data);
void wr_api_templates_tags_count(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data);
void wr_api_templates_tag_exists(struct wr_exchange *ex, const struct wr_route_match *match,
                                 void *data);
