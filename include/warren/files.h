/** @file
 * Files in a sandbox. Relative paths begin at the user's home. `user` NULL: "user". Thread-safe.
 */
#pragma once

#include "warren/sandbox.h"

WR_BEGIN_DECLS

/** The whole file, at most `max_bytes` (0: 64 MiB): RESOURCE_EXHAUSTED beyond. *ret, to free with
 * wr_free(), has a NUL behind its end that does not count in *ret_len. */
WR_PUBLIC int wr_files_read(struct wr_sandbox *sandbox, const char *path, const char *user,
                            uint64_t max_bytes, const struct wr_wait *wait, char **ret,
                            size_t *ret_len, struct wr_error *err);
/** Replaces or makes it, with the directories that lead to it. */
WR_PUBLIC int wr_files_write(struct wr_sandbox *sandbox, const char *path, const char *user,
                             const void *bytes, size_t len, const struct wr_wait *wait,
                             struct wr_error *err);

/** One file for wr_files_write_all(); borrowed. */
struct wr_file {
    const char *path;  /**< where to */
    const void *bytes; /**< its content */
    size_t len;        /**< of it, in bytes */
};
/** Several in one request. Names with control characters can only be written alone. */
WR_PUBLIC int wr_files_write_all(struct wr_sandbox *sandbox, const struct wr_file *files,
                                 size_t count, const char *user, const struct wr_wait *wait,
                                 struct wr_error *err);

/** From a regular file's position to its end, and to a descriptor; both borrowed. */
WR_PUBLIC int wr_files_upload(struct wr_sandbox *sandbox, const char *path, const char *user,
                              int fd, const struct wr_wait *wait, struct wr_error *err);
/** At most `max_bytes` (0: no bound): RESOURCE_EXHAUSTED beyond, with a part of it written. */
WR_PUBLIC int wr_files_download(struct wr_sandbox *sandbox, const char *path, const char *user,
                                int fd, uint64_t max_bytes, const struct wr_wait *wait,
                                struct wr_error *err);

/** Entries of a directory down to `depth` (0: 1), an array of the protocol's EntryInfo: name, type,
 * path, size, ... */
WR_PUBLIC int wr_files_list(struct wr_sandbox *sandbox, const char *path, const char *user,
                            unsigned depth, const struct wr_wait *wait, struct wr_value **ret,
                            struct wr_error *err);
/** One entry. NOT_FOUND. */
WR_PUBLIC int wr_files_stat(struct wr_sandbox *sandbox, const char *path, const char *user,
                            const struct wr_wait *wait, struct wr_value **ret,
                            struct wr_error *err);
/** ALREADY_EXISTS. */
WR_PUBLIC int wr_files_make_dir(struct wr_sandbox *sandbox, const char *path, const char *user,
                                const struct wr_wait *wait, struct wr_error *err);
/** Also of directories. NOT_FOUND; an existing `to` is replaced if it is a file. */
WR_PUBLIC int wr_files_rename(struct wr_sandbox *sandbox, const char *from, const char *to,
                              const char *user, const struct wr_wait *wait, struct wr_error *err);
/** Directories with everything in them. */
WR_PUBLIC int wr_files_remove(struct wr_sandbox *sandbox, const char *path, const char *user,
                              const struct wr_wait *wait, struct wr_error *err);

/** `event`: {"name": relative path, "type": "create", "write", "remove", "rename", "chmod"}.
 * Non-zero ends the watch: the call returns 0. */
typedef int (*wr_files_watch_fn)(const struct wr_value *event, void *data);
/** Blocks and tells of changes below a directory until the callback ends it, the token (CANCELED)
 * or the time of `wait` (DEADLINE_EXCEEDED; 0: without end). */
WR_PUBLIC int wr_files_watch(struct wr_sandbox *sandbox, const char *path, bool recursive,
                             const struct wr_wait *wait, wr_files_watch_fn fn, void *data,
                             struct wr_error *err);

WR_END_DECLS
