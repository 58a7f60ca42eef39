/* The configuration file: lines of `name = value`; '#' begins a comment at the start of a line or
 * behind a blank. Says nothing about which names there are. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

#define WR_CONF_MAX_BYTES   ((size_t)64 * 1024)
#define WR_CONF_MAX_ENTRIES 128

struct wr_conf_entry {
    const char *name, *value; /* into the text */
    unsigned line;            /* from 1 */
};

struct wr_conf {
    const char *path;   /* borrowed; NULL: no file was read */
    struct wr_buf text; /* owned */
    struct wr_conf_entry entries[WR_CONF_MAX_ENTRIES];
    size_t count;
};

/* `conf` is zeroed by the caller. With `optional` a file that is missing, or that this user may not
 * read, leaves it empty. Every error names the file and, where it has one, the line. */
int wr_conf_read(struct wr_conf *conf, const char *path, bool optional, struct wr_error *err)
    WR_MUST_CHECK;
/* The same from memory; the bytes are copied. `path` is for error texts. */
int wr_conf_parse(struct wr_conf *conf, const char *path, const void *text, size_t len,
                  struct wr_error *err) WR_MUST_CHECK;
/* NULL when the file does not have the name. */
const struct wr_conf_entry *wr_conf_find(const struct wr_conf *conf, const char *name);
/* Accepts a zeroed struct. */
void wr_conf_done(struct wr_conf *conf);
