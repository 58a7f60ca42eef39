/*
 * A watcher: a watched tree on the loop, whose events are written as the JSON of FilesystemEvent.
 * Who takes them is up to its two users: a stream (watch_stream.h), or a buffer that is asked
 * (watch_poll.h).
 */
#pragma once

#include "agent/fs/id_names.h"
#include "agent/fs/watch_tree.h"
#include "base/buf.h"
#include "loop/loop.h"

#define WR_WATCHERS_MAX   64 /* of both kinds; each takes one of the sandbox's inotify instances */
#define WR_WATCH_JSON_MAX ((size_t)128 * 1024) /* one event: three times a path, escaped */

struct wr_watchers {
    struct wr_loop *loop;
    struct wr_list all; /* that watch */
    size_t count;
    struct wr_list polled; /* of watch_poll.h; also those that have failed */
    size_t polled_count;
};

struct wr_watcher;

struct wr_watcher_ops {
    /* One event; `json` is an object, borrowed. Must not close the watcher. */
    void (*on_event)(struct wr_watcher *watcher, enum wr_watch_type type, const char *name,
                     const char *json, size_t len);
    /* Changes were lost; the watcher is closed already. */
    void (*on_failure)(struct wr_watcher *watcher, const struct wr_error *error);
};

/* Embedded in its user's struct. */
struct wr_watcher {
    struct wr_list link;
    struct wr_watchers *set;
    const struct wr_watcher_ops *ops;
    struct wr_watch_tree tree;
    struct wr_source source;
    struct wr_idle again;
    bool include_entry;
    bool paused;
    struct wr_id_names names; /* while a batch of events is taken */
    struct wr_buf json;       /* scratch */
};

/* The fields that WatchDirRequest and CreateWatcherRequest have in common. */
struct wr_watch_request {
    const char *path; /* resolved */
    bool recursive;
    bool include_entry;
    bool allow_network_mounts;
};

void wr_watchers_init(struct wr_watchers *set, struct wr_loop *loop);
/* Takes all that is waiting for the recursive ones, so that what was made inside of them just now
 * is watched. */
void wr_watchers_drain(struct wr_watchers *set);

/* NOT_FOUND, INVALID_ARGUMENT for what is no directory or is on a network, RESOURCE_EXHAUSTED above
 * a limit. Events come from the loop, or from wr_watcher_drain(). */
int wr_watcher_open(struct wr_watcher *watcher, struct wr_watchers *set,
                    const struct wr_watch_request *request, const struct wr_watcher_ops *ops,
                    struct wr_error *err) WR_MUST_CHECK;
/* Idempotent; accepts a zeroed watcher. */
void wr_watcher_close(struct wr_watcher *watcher);
/* Takes the events that are waiting now. */
void wr_watcher_drain(struct wr_watcher *watcher);
/* Stops and restarts on_event. What happens meanwhile waits in the kernel, as long as that has
 * room. */
void wr_watcher_pause(struct wr_watcher *watcher, bool paused);
