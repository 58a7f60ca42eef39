/* One request that is being carried out. */
#pragma once

#include "engine/engine.h"
#include "json/jread.h"

struct wr_buf;
struct wr_jw;

struct wr_action_request {
    struct wr_engine *engine;
    uint32_t kind, sequence;
    const json_t *payload; /* borrowed */
};

/* What carries it out returns 0 with an answer sent, WR_ACTION_WAITS when the answer comes later,
 * or a negative code with `err` filled, which becomes the answer. */
#define WR_ACTION_WAITS 1
typedef int (*wr_action_fn)(const struct wr_action_request *request, struct wr_error *err);

/* Ends `w`, which writes to `text`, and sends it. `fds` stay the caller's. */
int wr_action_answer(const struct wr_action_request *request, struct wr_jw *w, struct wr_buf *text,
                     const int *fds, size_t fd_count, struct wr_error *err) WR_MUST_CHECK;

#define WR_ACTION_MAX_FIELDS 4 /* besides "id" */
/* Reads {"id"} and `extra` fields, finds the sandbox, and checks that it takes the action now. */
int wr_action_find(const struct wr_action_request *request, const struct wr_json_field *extra,
                   size_t extra_count, struct wr_engine_sandbox **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The same when the payload has been read. */
int wr_action_find_id(const struct wr_action_request *request, const char *id,
                      struct wr_engine_sandbox **ret, struct wr_error *err) WR_MUST_CHECK;
/* UNAVAILABLE once a SHUTDOWN was asked for. */
int wr_action_check_open(const struct wr_engine *engine, struct wr_error *err) WR_MUST_CHECK;
