/*
 * Who calls the control API: the operator (the Unix socket, which only its owner can open), or the
 * holder of an API key, who acts for the key's team. Keys are looked up by the SHA-256 of their
 * bytes and kept in a small cache; the comparison is of hashes, so its time tells nothing.
 */
#pragma once

#include "http/server.h"
#include "server/auth/key.h"
#include "server/store/store.h"

struct wr_auth;
struct wr_server;

struct wr_principal {
    bool is_operator;              /* sees every team; what it makes belongs to `team_id` */
    char team_id[WR_UUID_LEN + 1]; /* the default team for the operator */
    char team_slug[WR_STORE_NAME_MAX + 1];
    char key_id[WR_UUID_LEN + 1]; /* "" for the operator */
};

/* Makes the default team if it is not there. */
int wr_auth_new(struct wr_store *store, struct wr_auth **ret, struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_auth *wr_auth_free(struct wr_auth *auth);
/* When no team has a key: makes one named "first key" for the default team. 1 when it did; wipe
 * `ret_key` after it was shown. 0: there are keys. */
int wr_auth_first_key(struct wr_store *store, char ret_key[static WR_KEY_TEXT_LEN + 1],
                      struct wr_error *err) WR_MUST_CHECK;

/* False: answered with 401 (no or bad credentials) or 429 (too many requests). Takes one request
 * from the key's budget. */
bool wr_auth_admit(struct wr_server *server, struct wr_exchange *ex, bool is_operator,
                   struct wr_principal *ret);
/* False: answered with 429: the key's creations per second, or the team's sandboxes at one time
 * (counted in the table, with those that are being made). */
bool wr_auth_admit_create(struct wr_server *server, struct wr_exchange *ex,
                          const struct wr_principal *who);
/* The halves of that: the key's creations per second, from which everything is taken that makes,
 * saves or restores sandboxes (`count` of them); */
bool wr_auth_admit_create_rate(struct wr_server *server, struct wr_exchange *ex,
                               const struct wr_principal *who, uint32_t count);
/* and the team's sandboxes: RESOURCE_EXHAUSTED when there is no room for one more. */
int wr_auth_check_team(struct wr_server *server, const char *team_id, struct wr_error *err)
    WR_MUST_CHECK;
/* Answers what is above a limit that waiting does not change, and says so to clients that would try
 * again. */
void wr_auth_refuse(struct wr_exchange *ex, int status, const char *message);
/* Whether `who` may see what belongs to `team_id`. */
bool wr_principal_may_see(const struct wr_principal *who, const char *team_id);
/* Forgets a removed key at once. */
void wr_auth_forget_key(struct wr_server *server, const char *key_id);
/* A key was added: what was refused before may be it. */
void wr_auth_key_added(struct wr_server *server);
