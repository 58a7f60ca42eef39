/* The sessions from inside; the public side is warren/sessions.h. */
#pragma once

#include <pthread.h>

#include "primitives/execute/supply_template.h"
#include "primitives/sessions/session_store.h"
#include "warren/sessions.h"

#define WR_SESSION_TAG_KEY   "warren.session"  /* metadata of a sandbox: the tag of its row */
#define WR_SESSION_STORE_KEY "warren.sessions" /* and the id of the file with the row */

struct wr_sessions {
    struct wr_client *client;
    struct wr_session_store *store;
    struct wr_supply_template tmpl;
    uint64_t idle_timeout_s;
    unsigned max_sessions;
    pthread_mutex_t lock; /* of what follows */
    bool reconciled;
};

/*
 * What a process left behind that ended in the middle: rows of creators that are gone are removed,
 * and sandboxes of this file without a row are killed. Several processes may do so at once.
 */
int wr_sessions_reconcile(struct wr_sessions *sessions, const struct wr_wait *wait,
                          struct wr_error *err) WR_MUST_CHECK;
/* The same once, and again after it has failed; what goes wrong is left to the next call. */
void wr_sessions_reconcile_once(struct wr_sessions *sessions, const struct wr_wait *wait);
/* wr_sessions_resume(), but 1 when somebody is still making it; `err` is then untouched. */
int wr_sessions_resume_made(struct wr_sessions *sessions, const char *id,
                            const struct wr_wait *wait, struct wr_sandbox **ret,
                            struct wr_error *err) WR_MUST_CHECK;
/* Kills the sandboxes with that tag, if its server knows any. */
int wr_sessions_kill_tag(struct wr_sessions *sessions, const char *tag, const struct wr_wait *wait,
                         struct wr_error *err) WR_MUST_CHECK;
