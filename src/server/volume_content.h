/*
 * The files of volumes for clients outside: each volume that is asked for gets a sandbox of the
 * server's own, which has it mounted and whose agent serves its files, so that no process of the
 * host resolves a path in it. Such sandboxes are in no table (nobody finds them, and they count for
 * nobody), have no row (the next server ends them), and end when nothing was asked for a minute.
 */
#pragma once

#include <stdbool.h>

#include "http/server.h"
#include "server/store/store.h"

struct wr_server;
struct wr_sandbox;
struct wr_volume_contents;

int wr_volume_contents_new(struct wr_server *server, struct wr_volume_contents **ret,
                           struct wr_error *err) WR_MUST_CHECK;
/* The engine client must be gone. Accepts NULL, returns NULL. */
struct wr_volume_contents *wr_volume_contents_free(struct wr_volume_contents *contents);

/* Passes the request on to the volume's sandbox, which is started when there is none. Takes the
 * exchange over and answers it. */
void wr_volume_content_serve(struct wr_server *server, const struct wr_store_volume *volume,
                             struct wr_exchange *ex);
/* {"code": "<word>", "message": "..."}: how the content API tells errors. */
void wr_volume_content_refuse(struct wr_exchange *ex, int status, const char *code,
                              const char *message);
/* The same with the error's own status, word and text. */
void wr_volume_content_fail(struct wr_exchange *ex, const struct wr_error *error);
/* The volume is to be removed: its sandbox ends, and requests that run are cut. */
void wr_volume_content_end(struct wr_server *server, const char *volume_id);

/* For connections into one; NULL when there is none with that id. */
struct wr_sandbox *wr_volume_contents_find(const struct wr_server *server, const char *id);
/* The engine says that a sandbox is gone; other ids are ignored. */
void wr_volume_contents_gone(struct wr_volume_contents *contents, const char *id);
/* Another engine begins: the resync ends those that it finds. */
void wr_volume_contents_forget(struct wr_volume_contents *contents);
/* Ends all: the server is ending. */
void wr_volume_contents_stop(struct wr_volume_contents *contents);
/* Sandboxes that are being killed. */
size_t wr_volume_contents_ending(const struct wr_volume_contents *contents);
