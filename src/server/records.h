/* A sandbox as the engine describes it, and its record in the table. */
#pragma once

#include "base/buf.h"
#include "server/engine_client.h"
#include "server/sandbox_table.h"

struct wr_server;

/* As the reply of CREATE and the entries of LIST have it. */
struct wr_record {
    const char *id, *template_name;
    uint64_t created_ms;
    struct wr_sandbox_limits limits;
    uint64_t egress; /* how many of the descriptors that came with it, the last ones, are egress */
};

/* Strings are borrowed from `json`. */
int wr_record_read(const json_t *json, struct wr_record *out, struct wr_error *err) WR_MUST_CHECK;
/* Puts it into the table, without deadline, tokens and settings. */
int wr_record_add(struct wr_server *server, const struct wr_record *seen, const char *team_id,
                  struct wr_sandbox **ret, struct wr_error *err) WR_MUST_CHECK;
/* As the engine describes it now. */
int wr_record_fill(struct wr_sandbox *sandbox, const struct wr_record *seen, struct wr_error *err)
    WR_MUST_CHECK;
/* Keeps the descriptors that came with it; the others stay the caller's. */
void wr_record_keep_fds(struct wr_sandbox *sandbox, const struct wr_record *seen, int *fds,
                        size_t count);
/* Takes it out of the table after cutting its connections; the store keeps its row. */
void wr_record_remove(struct wr_server *server, struct wr_sandbox *sandbox);
/* wr_engine_call() with the action's timeout. */
int wr_record_call(struct wr_server *server, enum wr_action action, const struct wr_buf *json,
                   wr_engine_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* The same for KILL of the sandbox `id`, which need not be in the table. */
int wr_record_kill(struct wr_server *server, const char *id, wr_engine_fn fn, void *data,
                   struct wr_error *err) WR_MUST_CHECK;
