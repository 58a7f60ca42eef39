/* What pausing asks from the engine: requests, their replies, and a look at one sandbox. */
#pragma once

#include <jansson.h>

#include "server/records.h"

struct wr_pausing_request {
    enum wr_action action; /* PAUSE, RESUME or ROLLBACK */
    const struct wr_sandbox *sandbox;
    enum wr_pause_level level; /* of a PAUSE */
    bool memory;
    const char *snapshot_id; /* of a ROLLBACK */
};
int wr_pausing_ask(struct wr_server *server, const struct wr_pausing_request *request,
                   wr_engine_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* The reply of PAUSE; strings are borrowed from `json`. */
int wr_pausing_read(const json_t *json, struct wr_record *out, struct wr_error *err) WR_MUST_CHECK;

/* The variables that the sandbox was created with, from its row: an object of strings, a new
 * reference. */
int wr_pausing_env(struct wr_server *server, const char *id, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;

/* Both NULL: the engine has no such sandbox. */
typedef void (*wr_pausing_seen_fn)(const struct wr_record *seen, const struct wr_error *error,
                                   void *data);
/* Asks for it as it is now; `fn` is called once, later, unless this function fails. */
int wr_pausing_look(struct wr_server *server, const char *id, wr_pausing_seen_fn fn, void *data,
                    struct wr_error *err) WR_MUST_CHECK;
