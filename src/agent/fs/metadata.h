/* What clients attach to a file: pairs of short texts, kept as extended attributes user.e2b.*. */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "http/h1.h"
#include "json/jwrite.h"

#define WR_METADATA_PREFIX    "user.e2b."
#define WR_METADATA_KEY_MAX   246            /* bytes; with the prefix what Linux allows */
#define WR_METADATA_TOTAL_MAX ((size_t)4096) /* prefixes, keys and values of one file */

/* Pairs: the attribute's name, NUL, the value, NUL. */
struct wr_metadata {
    size_t count;
    struct wr_buf pairs;
};

/* From the request's fields X-Metadata-<key>: the key in lower case, the first of a key counts.
 * `ret` is zeroed by the caller. WR_E_INVALID_ARGUMENT above the limits and for bytes that are not
 * printable ASCII. */
int wr_metadata_parse(const struct wr_h1_head *head, struct wr_metadata *ret, struct wr_error *err)
    WR_MUST_CHECK;
void wr_metadata_done(struct wr_metadata *m);

/* Makes the pairs the whole metadata of an open file. A file system without such attributes is no
 * error. Nothing is changed, and no watcher told, where there is nothing to change. */
int wr_metadata_store(int fd, const struct wr_metadata *m, const char *path, struct wr_error *err)
    WR_MUST_CHECK;

/* `"metadata":{...}` of an open file; nothing when it has none. Pairs that are not within the
 * limits (others may write attributes too) are left out. */
void wr_metadata_write(int fd, struct wr_jw *w);
/* The same by its path and without opening it; of a symbolic link its own. */
void wr_metadata_write_at(const char *path, struct wr_jw *w);
