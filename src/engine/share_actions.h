/* The actions about volumes of the API ("shares" in code, storage/share.h). */
#pragma once

#include "engine/engine.h"

struct wr_jw;

/* One action: reads the payload and writes the members of the reply's object. */
typedef int (*wr_share_action_fn)(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                                  struct wr_error *err);

int wr_share_action_create(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                           struct wr_error *err) WR_MUST_CHECK;
int wr_share_action_remove(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                           struct wr_error *err) WR_MUST_CHECK;
int wr_share_action_list(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                         struct wr_error *err) WR_MUST_CHECK;
