/*
 * Memory that many sandboxes have in common: what a zygote shares with its contexts, one file for
 * each zygote that something was saved of (docs/internals/snapshot.md, "Shared memory").
 *
 *     <volume>/memory/<hash>         content, read-only; restored processes map it
 *     <volume>/memory/<hash>-<id>    empty: the sandbox or snapshot <id> needs it
 *     <volume>/memory/.new-<random>  is being written
 *
 * Who only reads sums (jobs) works on a copy of the engine's memory and tells it what is new.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "engine/snapshot/hash.h"

#define WR_MEMORY_MAX_FILES 4 /* of one sandbox: contexts of that many zygotes */
#define WR_MEMORY_MAX_BYTES (1024 * WR_MIB)

/* What a sandbox has mapped. */
struct wr_memory_file {
    char key[48]; /* what an image calls it: "file[<mount>:<inode>]", both in hex */
    char hash[WR_HASH_LEN + 1];
    uint64_t size_bytes;
};

struct wr_memory_files {
    struct wr_memory_file list[WR_MEMORY_MAX_FILES];
    size_t count;
};

/* What was learned of files by reading them whole; plain data. */
struct wr_memory_news {
    struct wr_memory_sum {
        dev_t dev;
        ino_t ino;
        uint64_t size_bytes;
        int64_t changed_ns; /* st_ctim */
        char hash[WR_HASH_LEN + 1];
    } sums[2 * WR_MEMORY_MAX_FILES];
    size_t count;
};

struct wr_memory;

/* Makes the directory in that of the volume; more than `max_bytes` it is never given. */
int wr_memory_open(int volume_fd, uint64_t max_bytes, struct wr_memory **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_memory *wr_memory_free(struct wr_memory *memory);
/* The descriptor without which a process cannot use it, for job.h. */
int wr_memory_fd(const struct wr_memory *memory);

/* Inode numbers of what is in the store, at most `max` -> how many. */
size_t wr_memory_inodes(const struct wr_memory *memory, ino_t *ret, size_t max);
/*
 * The content of `fd`, which nobody can change, is in the store afterwards, held for `id`. Fills
 * hash and size. `fd` may be a file of the store itself. For jobs: what has not been seen before is
 * read whole, and written when it is not there. It is durable with the next syncfs() of the volume.
 */
int wr_memory_keep(struct wr_memory *memory, int fd, const char *id, struct wr_memory_file *ret,
                   struct wr_error *err) WR_MUST_CHECK;
/* They stay as long as there is a sandbox or snapshot `id`. DATA_LOSS when one is not there. */
int wr_memory_hold(struct wr_memory *memory, const struct wr_memory_files *files, const char *id,
                   struct wr_error *err) WR_MUST_CHECK;
/*
 * A descriptor to map it by: read-only, on a mount of its own that is nowhere attached, so that who
 * maps it learns no path. DATA_LOSS when it is missing or not what was written, which is looked at
 * whenever the file is not known. For jobs, in the mount namespace of the volume.
 */
int wr_memory_map(struct wr_memory *memory, const struct wr_memory_file *file, int *ret_fd,
                  struct wr_error *err) WR_MUST_CHECK;

/* What this process has learned, and what another one has. */
void wr_memory_news(const struct wr_memory *memory, struct wr_memory_news *ret);
void wr_memory_learn(struct wr_memory *memory, const struct wr_memory_news *news);

/* Removes what nobody needs: in_use() says whether there is a sandbox or snapshot of that id, or
 * one is being made. False when a job is at work in the store: to be called again. */
bool wr_memory_collect(struct wr_memory *memory, bool (*in_use)(const char *id, void *data),
                       void *data);
