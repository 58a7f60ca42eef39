/** @file
 * Persistent sessions: sandboxes that are found again by a name of the caller's, also by another
 * process, paused when nobody needs them.
 *
 * What belongs to which name is written down in an SQLite file before a sandbox is made, so that
 * none is lost when the process ends in between: the next opening kills what was half-made. Several
 * processes may share the file. Thread-safe.
 */
#pragma once

#include "warren/supply.h"

WR_BEGIN_DECLS

struct wr_sessions;

/** Options of wr_sessions_open(). Borrowed during the call, what is needed later is copied. */
struct wr_sessions_opts {
    size_t struct_size;
    const char
        *path; /**< of the SQLite file; NULL: sessions.db in the state directory (ledger.h) */
    const struct wr_sandbox_opts *sandbox; /**< NULL: defaults; its timeout is `idle_timeout_s` */
    uint64_t idle_timeout_s;               /**< a session that is not paused ends then; 0: 3,600 */
    unsigned max_sessions;                 /**< 0: 100 */
};
/** `client` NULL: wr_client_new() with defaults. */
WR_PUBLIC struct wr_sessions *wr_sessions_open(struct wr_client *client,
                                               const struct wr_sessions_opts *opts,
                                               struct wr_error *err);
/** Sessions stay. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_sessions *wr_sessions_free(struct wr_sessions *sessions);

/** `id`: 1 to 128 of [A-Za-z0-9._-]. ALREADY_EXISTS; RESOURCE_EXHAUSTED: too many. *ret is a handle
 * of the caller's. */
WR_PUBLIC int wr_sessions_create(struct wr_sessions *sessions, const char *id,
                                 const struct wr_wait *wait, struct wr_sandbox **ret,
                                 struct wr_error *err);
/** Its sandbox, as wr_sandbox_pause() does it: for as long as it is not resumed, and without memory
 * or CPU. NOT_FOUND as of wr_sessions_resume(); UNIMPLEMENTED when the server cannot pause: the
 * session goes on running. */
WR_PUBLIC int wr_sessions_pause(struct wr_sessions *sessions, const char *id,
                                const struct wr_wait *wait, struct wr_error *err);
/** Running or paused; a paused one goes on where it stood. NOT_FOUND, also (with the reason) when
 * its sandbox has ended, which forgets it. */
WR_PUBLIC int wr_sessions_resume(struct wr_sessions *sessions, const char *id,
                                 const struct wr_wait *wait, struct wr_sandbox **ret,
                                 struct wr_error *err);
/** Kills its sandbox and forgets it. One that is gone is no error. */
WR_PUBLIC int wr_sessions_close(struct wr_sessions *sessions, const char *id,
                                const struct wr_wait *wait, struct wr_error *err);
/** [{"id", "sandbox_id", "state": "creating", "running", "paused", "created_at", "used_at"}] */
WR_PUBLIC int wr_sessions_list(struct wr_sessions *sessions, struct wr_value **ret,
                               struct wr_error *err);
/** A supply that leases the session's sandbox, made or resumed when needed: an executor with
 * memory that outlives the process. `sessions` must outlive it. */
WR_PUBLIC struct wr_supply *wr_sessions_supply(struct wr_sessions *sessions, const char *id,
                                               struct wr_error *err);

WR_END_DECLS
