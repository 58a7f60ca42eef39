/* A store in a directory of its own. */
#pragma once

#include "server/store/store.h"

struct store_fixture {
    char dir[64], path[96]; /* of the database file */
    struct wr_store *store;
};

/* With a new directory and a store in it. */
struct store_fixture store_start(void);
/* Opens it again, as the next server would. */
void store_reopen(struct store_fixture *f);
/* Closes it and removes the directory. */
void store_stop(struct store_fixture *f);
/* The one number of a query, over a connection of its own. */
long long store_number(const struct store_fixture *f, const char *sql);
/* Adds a sandbox `id` of the default team. */
int store_add_sandbox(struct wr_store *store, const char *id, struct wr_error *err);
/* Adds one event. */
int store_add_event(struct wr_store *store, const char *sandbox_id, const char *team_id,
                    const char *type, const char *detail, uint64_t at_ms, struct wr_error *err);
/* `number` as a valid sandbox id. */
void store_id(unsigned number, char out[static 21]);
