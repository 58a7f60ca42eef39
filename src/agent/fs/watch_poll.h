/*
 * Watchers that are asked for their events: CreateWatcher, GetWatcherEvents, RemoveWatcher. They
 * live until they are removed, or until there is no room for another one and nobody misses them.
 *
 * Events wait in a buffer with a maximum. When it is full the watcher is over: everything that it
 * held is dropped, and asking it says so, because a list with holes would be worse.
 */
#pragma once

#include "agent/fs/watcher.h"
#include "rpc/answer.h"

#define WR_WATCH_POLL_EVENTS 65536
#define WR_WATCH_POLL_BYTES  ((size_t)16 * 1024 * 1024)
#define WR_WATCH_POLL_MISSED ((uint64_t)3600 * 1000) /* ms: not asked for so long, it may go */
#define WR_WATCHER_ID_LEN    21                      /* "w" and 20 characters of [a-z0-9] */

/* `id` gets the watcher's name. Errors as wr_watcher_open(). */
int wr_watch_poll_create(struct wr_watchers *set, const struct wr_watch_request *request,
                         char id[static WR_WATCHER_ID_LEN + 1], struct wr_error *err) WR_MUST_CHECK;
/* Answers with everything that has happened until now, and forgets it. NOT_FOUND, or the failure of
 * the watcher; then nothing was answered. */
int wr_watch_poll_events(struct wr_watchers *set, const char *id, const struct wr_connect_out *out,
                         struct wr_error *err) WR_MUST_CHECK;
int wr_watch_poll_remove(struct wr_watchers *set, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* Before a new watcher of any kind: where there is no room, one that has failed goes, else the one
 * that was not asked for the longest time, if that is long. Clients that end without removing their
 * watchers must not use up the sandbox's. */
void wr_watch_poll_make_room(struct wr_watchers *set);
/* Removes all. */
void wr_watch_poll_done(struct wr_watchers *set);
