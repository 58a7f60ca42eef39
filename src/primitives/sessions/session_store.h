/*
 * Which session has which sandbox, in an SQLite file that processes share. A session is named by
 * the caller's id, its sandbox by a random tag, which is also in the sandbox's metadata.
 *
 * Thread-safe; other processes are waited for a few seconds, then UNAVAILABLE.
 */
#pragma once

#include "base/error.h"
#include "warren/sandbox.h"

#define WR_SESSION_ID_MAX  129 /* bytes, NUL included */
#define WR_SESSION_TAG_LEN 20

struct wr_session_store;

enum wr_session_state {
    WR_SESSION_CREATING = 0,
    WR_SESSION_RUNNING = 1,
    WR_SESSION_PAUSED = 2,
};

struct wr_session_row {
    char id[WR_SESSION_ID_MAX];
    char tag[WR_SESSION_TAG_LEN + 1];
    char sandbox_id[WR_SANDBOX_ID_MAX]; /* "": creating */
    enum wr_session_state state;
    char owner[160];      /* who creates it (owner.h) */
    int64_t lease_end_ms; /* since 1970: by then it has created it, or never will */
    int64_t created_ms, used_ms;
};

/* `path` NULL: sessions.db in the state directory. `backend` (copied): sessions of other servers
 * are not seen. */
int wr_session_store_open(const char *path, const char *backend, struct wr_session_store **ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_session_store *wr_session_store_close(struct wr_session_store *store);
/* Of the file: random, for the metadata of all its sandboxes. */
const char *wr_session_store_id(const struct wr_session_store *store);

/* ALREADY_EXISTS; RESOURCE_EXHAUSTED when there are `max` of them. */
int wr_session_store_add(struct wr_session_store *store, const struct wr_session_row *row,
                         unsigned max, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND. */
int wr_session_store_get(struct wr_session_store *store, const char *id, struct wr_session_row *ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* *ret_there false: the row went meanwhile. `sandbox_id` NULL: as it is. */
int wr_session_store_set(struct wr_session_store *store, const char *tag,
                         enum wr_session_state state, const char *sandbox_id, bool *ret_there,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_session_store_remove(struct wr_session_store *store, const char *tag, struct wr_error *err)
    WR_MUST_CHECK;
int wr_session_store_has(struct wr_session_store *store, const char *tag, bool *ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* All, in the order of their ids; *ret is to free with free(). */
int wr_session_store_list(struct wr_session_store *store, struct wr_session_row **ret,
                          size_t *ret_count, struct wr_error *err) WR_MUST_CHECK;
