/*
 * Volumes: directories that outlive sandboxes and can be mounted into several of them. The store
 * has their names and teams, the engine their data; the two change one after the other, and a row
 * is marked meanwhile, so that whatever ends in between leaves a mark that the next start removes
 * (docs/internals/volumes.md).
 */
#pragma once

#include "base/buf.h"
#include "server/lifecycle.h"
#include "server/volume_token.h"

#define WR_VOLUMES_OF_TEAM      100
#define WR_VOLUME_DEFAULT_BYTES (1 * WR_GIB) /* when neither client nor operator say anything */

struct wr_volumes;

int wr_volumes_new(struct wr_server *server, struct wr_volumes **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The engine client must be gone. Accepts NULL, returns NULL. */
struct wr_volumes *wr_volumes_free(struct wr_volumes *volumes);

/* Makes it, row first; `removing` of the argument does not matter. `fn` is called once, later.
 * ALREADY_EXISTS when the team has the name, RESOURCE_EXHAUSTED when it has too many. */
int wr_volumes_create(struct wr_server *server, const struct wr_store_volume *volume, wr_done_fn fn,
                      void *data, struct wr_error *err) WR_MUST_CHECK;
/* Removes it, its row last. `fn` is called once, later: ABORTED when a sandbox has it mounted,
 * upon which it is as before. NOT_FOUND when it is unknown, or being removed already. `any`: also
 * what the engine has and the store has not. */
int wr_volumes_remove(struct wr_server *server, const char *id, bool any, wr_done_fn fn, void *data,
                      struct wr_error *err) WR_MUST_CHECK;
/* The sandboxes that have it mounted, as "a, b and 3 more"; returns how many. */
size_t wr_volumes_users(struct wr_server *server, const char *id, struct wr_buf *out);
/* Goes on with the removal of one whose row is marked; a failure leaves it to the next start. */
void wr_volumes_remove_marked(struct wr_server *server, const char *id);

/* A token for its content, from now on. */
void wr_volumes_token(struct wr_server *server, const struct wr_store_volume *volume,
                      char out[static WR_VOLUME_TOKEN_LEN + 1]);
/* See wr_volume_token_check(). */
enum wr_volume_token_state wr_volumes_check(struct wr_server *server, const char *volume_id,
                                            const char *token,
                                            char ret_team_id[static WR_UUID_LEN + 1]);
