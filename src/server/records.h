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
    enum wr_pause_level level;
    bool memory;        /* of a paused one, as the following */
    uint64_t paused_ms; /* wall clock */
    uint64_t bytes;     /* on the disk */
    const char *reason; /* why it is not at the level asked for; "" */
    bool booted;        /* its agent began anew */
    uint64_t egress; /* how many of the descriptors that came with it, the last ones, are egress */
};

/* Strings are borrowed from `json`. */
int wr_record_read(const json_t *json, struct wr_record *out, struct wr_error *err) WR_MUST_CHECK;
/* Puts it into the table, RUNNING or PAUSED, without deadline, tokens and settings. */
int wr_record_add(struct wr_server *server, const struct wr_record *seen, const char *team_id,
                  struct wr_sandbox **ret, struct wr_error *err) WR_MUST_CHECK;
/* Template, limits and level, as the engine describes it now; not the state. */
int wr_record_fill(struct wr_sandbox *sandbox, const struct wr_record *seen, struct wr_error *err)
    WR_MUST_CHECK;
/* Level, reason and what else there is to know about a paused one. */
void wr_record_set_level(struct wr_sandbox *sandbox, const struct wr_record *seen);
/* Keeps the descriptors that came with it; the others stay the caller's. */
void wr_record_keep_fds(struct wr_sandbox *sandbox, const struct wr_record *seen, int *fds,
                        size_t count);
/* Closes and cuts everything that leads into it or out of it. */
void wr_record_cut(struct wr_sandbox *sandbox);
/* Takes it out of the table after that; the store keeps its row. */
void wr_record_remove(struct wr_server *server, struct wr_sandbox *sandbox);
/* wr_engine_call() with that text. */
int wr_record_call(struct wr_server *server, enum wr_action action, const struct wr_buf *json,
                   wr_engine_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* The same for a request of no more than {"id"}. */
int wr_record_ask(struct wr_server *server, enum wr_action action, const char *id, wr_engine_fn fn,
                  void *data, struct wr_error *err) WR_MUST_CHECK;
/* That for KILL of the sandbox `id`, which need not be in the table. */
int wr_record_kill(struct wr_server *server, const char *id, wr_engine_fn fn, void *data,
                   struct wr_error *err) WR_MUST_CHECK;
