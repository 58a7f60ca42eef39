/*
 * The API keys of the person at the keyboard: $XDG_CONFIG_HOME/warren/key.json (0600), one per
 * server and team. The server keeps hashes only, so `warren env` needs a place to find its key
 * again.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_key_file {
    char *dir;           /* owned */
    struct json_t *json; /* owned: {"version": 1, "keys": {"<name>": {"id", "key"}}} */
};

/* Reads the file; one that is missing is empty. FAILED_PRECONDITION when it is something else, or
 * without a home. `ret` is given to wr_key_file_done() whatever this returns. */
int wr_key_file_open(struct wr_key_file *ret, struct wr_error *err) WR_MUST_CHECK;
/* The strings are borrowed; false: there is none. */
bool wr_key_file_get(const struct wr_key_file *file, const char *name, const char **ret_id,
                     const char **ret_key);
/* Replaces the entry and writes the file. */
int wr_key_file_put(struct wr_key_file *file, const char *name, const char *id, const char *key,
                    struct wr_error *err) WR_MUST_CHECK;
void wr_key_file_done(struct wr_key_file *file);
