/* The JSON shapes of a sandbox. Optional members are left out, never null: Python clients take an
 * absent key, not a null one. */
#pragma once

#include "http/server.h"
#include "json/jwrite.h"
#include "server/sandbox_table.h"

/* What agents of this version can do, in the numbering of E2B's envd. */
#define WR_ENVD_VERSION "0.6.13"
#define WR_CLIENT_ID    "warren"

struct wr_server;

/* "key": "<RFC 3339>". */
void wr_api_write_time(struct wr_jw *w, const char *key, uint64_t wall_ms);
/* Any JSON value that was parsed before. */
void wr_api_write_value(struct wr_jw *w, const json_t *value);
/* "paused" or "running": one that is being resumed is paused until it runs. */
bool wr_api_is_paused(const struct wr_sandbox *sandbox);
/* An entry of a list. */
void wr_api_write_listed(struct wr_jw *w, const struct wr_sandbox *sandbox);
/* What somebody needs to talk to it: tokens and domain. */
void wr_api_write_access(struct wr_jw *w, const struct wr_server *server,
                         const struct wr_sandbox *sandbox);
/* Answers with that. */
void wr_api_reply_access(struct wr_server *server, struct wr_exchange *ex, int status,
                         const struct wr_sandbox *sandbox);
/* Answers with everything about it. */
void wr_api_reply_detail(struct wr_server *server, struct wr_exchange *ex,
                         const struct wr_sandbox *sandbox);
/* CPUs in whole numbers, as E2B counts. */
uint64_t wr_api_cpu_count(uint64_t cpu_millis);
