/* Lines of a log on their way to a client: a bounded number of them, from several sources, put into
 * one order. */
#pragma once

#include <jansson.h>

#include "server/store/store.h"

#define WR_LOG_LINES_MAX       1000
#define WR_LOG_LINES_MAX_BYTES ((size_t)1024 * 1024) /* of all messages */

struct wr_log_line {
    uint64_t at_ms;
    enum wr_level level;
    char *message;  /* owned */
    json_t *fields; /* owned: an object of strings, or NULL */
};

/* Zeroed is empty; the query (borrowed) says what is kept. Forward the first ones that are added
 * stay, backward the last ones: sources add in the order of time. */
struct wr_log_lines {
    const struct wr_log_query *query;
    struct wr_log_line *items; /* a ring of `query->limit` */
    size_t first, count;
    size_t bytes;
};

int wr_log_lines_init(struct wr_log_lines *lines, const struct wr_log_query *query,
                      struct wr_error *err) WR_MUST_CHECK;
void wr_log_lines_done(struct wr_log_lines *lines);
/* Adds a line if the query wants it; takes a reference to `fields` (may be NULL). False: there is
 * room for no further one. */
bool wr_log_lines_add(struct wr_log_lines *lines, const struct wr_log_entry *entry, json_t *fields);
/* Calls `fn` for at most `limit` of the lines of both, in the query's direction; what is equally
 * old keeps its order, `a` before `b`. */
void wr_log_lines_merge(const struct wr_log_lines *a, const struct wr_log_lines *b,
                        void (*fn)(const struct wr_log_line *line, void *data), void *data);
