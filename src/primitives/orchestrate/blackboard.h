/*
 * The blackboard: a directory on the caller's side. What is read from it and written to it is
 * bounded, and never follows a link; the names that it is given come out of sandboxes.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"
#include "base/sha256.h"
#include "warren/files.h"

#define WR_BOARD_MAX_FILES 4096
#define WR_BOARD_MAX_DEPTH 16
#define WR_BOARD_MAX_PATH  1024 /* bytes of a path below the directory, its NUL included */

struct wr_blackboard;

/* `dir` NULL: a temporary one, which goes with the object. Made if it is not there. */
struct wr_blackboard *wr_blackboard_open(const char *dir, uint64_t max_bytes, struct wr_error *err);
/* Accepts NULL, returns NULL. */
struct wr_blackboard *wr_blackboard_free(struct wr_blackboard *board);

uint64_t wr_blackboard_max_bytes(const struct wr_blackboard *board);

struct wr_board_file {
    char *path; /* owned, below the directory: "a/b.txt" */
    char *bytes;
    size_t len;
    char hash[2 * WR_SHA256_LEN + 1];
};
struct wr_board_files {
    struct wr_board_file *items; /* owned */
    size_t count;
};

/* All regular files at this moment. RESOURCE_EXHAUSTED beyond the limits. Thread-safe. */
int wr_blackboard_read(struct wr_blackboard *board, struct wr_board_files *ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* Makes or replaces a file, at once for readers; directories that lead to it are made.
 * RESOURCE_EXHAUSTED when there would be too much. Thread-safe; the last one wins. */
int wr_blackboard_write(struct wr_blackboard *board, const char *path, const void *bytes,
                        size_t len, struct wr_error *err) WR_MUST_CHECK;
void wr_board_files_done(struct wr_board_files *files);
#define wr_auto_board_files WR_CLEANUP(wr_board_files_done) struct wr_board_files

/* Whether it can be the path of a file below a directory: no empty, "." or ".." parts, not
 * absolute, bounded, UTF-8 without control characters, and not a name of the board's own. */
bool wr_board_path_valid(const char *path);
