/*
 * Making a layer: a draft is layers/.tmp-<random>/root/, locked while its process lives, and
 * becomes layers/<hash>/ by one rename. Drafts of dead processes are removed when the next one is
 * opened.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_layer_draft {
    int layers_fd; /* owned */
    int dir_fd;    /* owned: .tmp-<random>/, carries the lock */
    int root_fd;   /* owned: .tmp-<random>/root/ */
    char name[32]; /* ".tmp-<random>" */
};

#define WR_LAYER_DRAFT                               \
    {                                                \
        .layers_fd = -1, .dir_fd = -1, .root_fd = -1 \
    }

/* RESOURCE_EXHAUSTED when fewer than `need_bytes` are free on that disk. */
int wr_layer_draft_open(int data_dirfd, uint64_t need_bytes, struct wr_layer_draft *d,
                        struct wr_error *err) WR_MUST_CHECK;
/* Removes what was not committed. Accepts WR_LAYER_DRAFT. */
void wr_layer_draft_done(struct wr_layer_draft *d);
#define wr_auto_layer_draft WR_CLEANUP(wr_layer_draft_done) struct wr_layer_draft

/* Flushes the tree to the disk and gives it its name (64 hex digits); a layer of that name is
 * replaced. */
int wr_layer_commit(struct wr_layer_draft *d, const char *hash, struct wr_error *err) WR_MUST_CHECK;

/* Whether layers/<hash>/ exists. */
bool wr_layer_exists(int data_dirfd, const char *hash);
/* Removes layers/<hash>/ in a way that never leaves half of it under that name; a missing layer is
 * success. */
int wr_layer_remove(int data_dirfd, const char *hash, struct wr_error *err) WR_MUST_CHECK;
/* 64 lower-case hex digits. */
bool wr_layer_hash_valid(const char *hash);
/* Sum of the sizes of the files below a directory; hard links count once per name. 0 or -errno. */
int wr_layer_size(int root_fd, uint64_t *ret_bytes) WR_MUST_CHECK;
