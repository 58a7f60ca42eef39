/*
 * What happens to paused sandboxes when nobody asks: those that are only frozen are hibernated
 * after a while, and sooner when memory is short; at the end for a shutdown of the host all are,
 * and the next start resumes those that ran (docs/internals/server.md).
 */
#pragma once

#include "server/config.h"
#include "server/pause_report.h"
#include "server/sandbox_table.h"

struct wr_server;
struct wr_pause_policy; /* server->pause_policy */

int wr_pause_policy_new(struct wr_server *server, struct wr_pause_policy **ret,
                        struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_pause_policy *wr_pause_policy_free(struct wr_pause_policy *policy);

/* Does nothing any more: the server forgets its sandboxes. Accepts NULL. */
void wr_pause_policy_stop(struct wr_pause_policy *policy);

/* The table agrees with the engine for the first time: resumes what the last graceful end has
 * hibernated. */
void wr_pause_policy_start(struct wr_pause_policy *policy);
/* The host is about to be shut down: begins to hibernate everything, and marks what ran, for the
 * next start. Whoever is resumed or made meanwhile is hibernated too, until nothing is left. What
 * has failed is tried again when this is called after the end of that. */
void wr_pause_policy_end(struct wr_pause_policy *policy);
/* Of the last one, or of the one that goes on; good until the loop goes on. NULL: there was none.
 * `left` becomes 0 after a bounded time. */
const struct wr_pause_report *wr_pause_policy_report(struct wr_pause_policy *policy);
/* Whether that still goes on; false after a bounded time. */
bool wr_pause_policy_ending(struct wr_pause_policy *policy);
/* A private server has nothing to do: hibernates what is only frozen. True when there is nothing
 * that would be lost with the engine. */
bool wr_pause_policy_settle(struct wr_pause_policy *policy);
