/*
 * Blank sandboxes: made ahead for configured templates, each with an interpreter that has run once
 * already, and given to whoever asks next (docs/internals/blanks.md). Nobody but the server knows
 * of a blank: it is in no table, so no request and no connection from outside finds it, and it has
 * no row, so the next server ends it.
 */
#pragma once

#include "base/error.h"
#include "server/sandbox_table.h"

struct wr_server;
struct wr_blanks;

int wr_blanks_new(struct wr_server *server, struct wr_blanks **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Forgets the blanks; the engine client must be gone. Accepts NULL, returns NULL. */
struct wr_blanks *wr_blanks_free(struct wr_blanks *blanks);

/* The engine is there: from now on blanks are made, when nothing else is asked from it. */
void wr_blanks_start(struct wr_blanks *blanks);
/* Something is being created for a client: making waits for a quiet moment. */
void wr_blanks_wait(struct wr_blanks *blanks);
/* Another engine begins: the blanks that it finds have no record and are ended by the resync. */
void wr_blanks_forget(struct wr_blanks *blanks);
/* Ends all blanks and makes no more: the server is ending. */
void wr_blanks_stop(struct wr_blanks *blanks);
/* The engine says that a sandbox is gone; other ids are ignored. */
void wr_blanks_gone(struct wr_blanks *blanks, const char *id);

/* Blanks that exist or are being made. */
size_t wr_blanks_count(const struct wr_blanks *blanks);
/* Blanks that are being killed. */
size_t wr_blanks_ending(const struct wr_blanks *blanks);
/* For connections into one; NULL when there is none. */
struct wr_sandbox *wr_blanks_find(const struct wr_blanks *blanks, const char *id);
