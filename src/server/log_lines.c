#include "server/log_lines.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"

int wr_log_lines_init(struct wr_log_lines *lines, const struct wr_log_query *query,
                      struct wr_error *err)
{
    struct wr_log_line *items = wr_calloc(WR_MAX(query->limit, 1u), sizeof *items);

    if (!items)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "lines of a log");
    *lines = (struct wr_log_lines){.query = query, .items = items};
    return 0;
}

/* `i` from the oldest one. */
static struct wr_log_line *at(const struct wr_log_lines *lines, size_t i)
{
    return &lines->items[(lines->first + i) % lines->query->limit];
}

static void drop_first(struct wr_log_lines *lines)
{
    struct wr_log_line *line = at(lines, 0);

    lines->bytes -= strlen(line->message);
    free(line->message);
    json_decref(line->fields);
    lines->first++;
    lines->count--;
}

void wr_log_lines_done(struct wr_log_lines *lines)
{
    while (lines->count > 0)
        drop_first(lines);
    free(lines->items);
    *lines = (struct wr_log_lines){0};
}

static bool wanted(const struct wr_log_query *query, const struct wr_log_entry *entry)
{
    if (query->backward ? entry->at_ms > query->cursor_ms : entry->at_ms < query->cursor_ms)
        return false;
    return entry->level >= query->level &&
           (!query->search || strstr(entry->message, query->search));
}

static bool is_full(const struct wr_log_lines *lines, size_t len)
{
    return lines->count == lines->query->limit || lines->bytes + len > WR_LOG_LINES_MAX_BYTES;
}

bool wr_log_lines_add(struct wr_log_lines *lines, const struct wr_log_entry *entry, json_t *fields)
{
    size_t len = strlen(entry->message);

    if (lines->query->limit == 0 || len > WR_LOG_LINES_MAX_BYTES)
        return lines->query->limit > 0;
    if (!wanted(lines->query, entry))
        return true;
    while (is_full(lines, len)) {
        if (!lines->query->backward)
            return false;
        drop_first(lines);
    }
    char *message = wr_strdup(entry->message);
    if (!message)
        return false;
    *at(lines, lines->count++) = (struct wr_log_line){.at_ms = entry->at_ms,
                                                      .level = entry->level,
                                                      .message = message,
                                                      .fields = json_incref(fields)};
    lines->bytes += len;
    return true;
}

void wr_log_lines_merge(const struct wr_log_lines *a, const struct wr_log_lines *b,
                        void (*fn)(const struct wr_log_line *line, void *data), void *data)
{
    bool backward = a->query->backward;
    size_t i = 0, j = 0;

    for (size_t n = 0; n < a->query->limit && (i < a->count || j < b->count); n++) {
        const struct wr_log_line *x = i < a->count ? at(a, backward ? a->count - 1 - i : i) : NULL;
        const struct wr_log_line *y = j < b->count ? at(b, backward ? b->count - 1 - j : j) : NULL;
        /* Backward the order of equal ones turns round too. */
        bool first = !y || (x && (backward ? x->at_ms > y->at_ms : x->at_ms <= y->at_ms));
        fn(first ? x : y, data);
        i += first;
        j += !first;
    }
}
