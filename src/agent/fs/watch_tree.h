/*
 * Changes below one directory, by inotify: of its direct children, or of the whole tree.
 *
 * A tree is followed without races: a new directory is watched first and read afterwards, and what
 * the reading finds is reported as created, once. Directories that move inside the tree keep their
 * watch, those that leave it lose it. Work is done in small steps, so that whoever cannot take more
 * events just makes no further step; what then waits in the kernel has the kernel's own limit.
 */
#pragma once

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/list.h"

#define WR_WATCH_MAX_DIRS    16384 /* of one tree */
#define WR_WATCH_BUCKETS     256
#define WR_WATCH_READ_SIZE   4096
#define WR_WATCH_MAX_FOUND   262144  /* names that reading found, until the queue is empty */
#define WR_WATCH_MAX_INITIAL 4194304 /* entries looked at before a tree is watched */

/* In the order in which they are reported when one change is several. */
enum wr_watch_type {
    WR_WATCH_CREATE = 0,
    WR_WATCH_RENAME = 1,
    WR_WATCH_CHMOD = 2,
    WR_WATCH_WRITE = 3,
    WR_WATCH_REMOVE = 4,
};

/* `name` is relative to the watched directory, "." for itself. Must not free the tree. */
typedef void (*wr_watch_fn)(enum wr_watch_type type, const char *name, void *data);

struct wr_watch_dir;

struct wr_watch_tree {
    int fd; /* owned; -1: not open */
    bool recursive;
    char *path; /* owned */
    wr_watch_fn fn;
    void *data;
    struct wr_watch_dir *root; /* NULL: deleted */
    size_t dir_count;
    struct wr_list buckets[WR_WATCH_BUCKETS]; /* directories by watch descriptor */
    struct wr_list unread;                    /* directories whose entries are not known yet */
    DIR *reading;                             /* the one that is being read */
    struct wr_watch_dir *reading_dir;
    bool reading_reports; /* what is found is new */
    size_t found_count;   /* names that are remembered, in all directories */
    struct wr_list read;  /* directories that were read since the queue was empty */
    struct wr_list moved; /* directories that have left their place */
    size_t at, len;       /* unread events in `buffer` */
    char buffer[WR_WATCH_READ_SIZE] __attribute__((aligned(8)));
};

/* Watches `path`, a directory. `fn` is called from wr_watch_tree_step() only. RESOURCE_EXHAUSTED
 * when the tree is too large or the sandbox has no watches left. */
int wr_watch_tree_open(struct wr_watch_tree *tree, const char *path, bool recursive, wr_watch_fn fn,
                       void *data, struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed tree whose fd is -1. Idempotent. */
void wr_watch_tree_close(struct wr_watch_tree *tree);

/* One bounded piece of work: 1, or 0 when there is nothing to do now, or -WR_E_* when changes were
 * lost: the tree is of no more use then. */
int wr_watch_tree_step(struct wr_watch_tree *tree, struct wr_error *err) WR_MUST_CHECK;
