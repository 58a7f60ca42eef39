#include "server/api/log_query.h"

#include "base/parse.h"
#include "base/str.h"
#include "server/log_lines.h"

const char *const wr_log_level_names[WR_LEVEL_ERROR + 1] = {
    [WR_LEVEL_DEBUG] = "debug",
    [WR_LEVEL_INFO] = "info",
    [WR_LEVEL_WARN] = "warn",
    [WR_LEVEL_ERROR] = "error",
};

static int read_number(const struct wr_exchange *ex, const char *name, uint64_t max, uint64_t *ret,
                       struct wr_error *err)
{
    char text[24];

    int r = wr_exchange_query(ex, name, text, sizeof text, err);
    if (r == 0)
        return 0;
    if (r < 0 || wr_parse_u64(text, 0, max, ret) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "validation error: %s: a whole number of at most %llu", name,
                       (unsigned long long)max);
    return 0;
}

/* Index of the value in `words`; `ret` stays as it is when the query has none. */
static int read_word(const struct wr_exchange *ex, const char *name, const char *const *words,
                     size_t count, size_t *ret, struct wr_error *err)
{
    char text[16];

    int r = wr_exchange_query(ex, name, text, sizeof text, err);
    if (r == 0)
        return 0;
    for (size_t i = 0; r > 0 && i < count; i++)
        if (wr_streq(words[i], text)) {
            *ret = i;
            return 0;
        }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "validation error: %s: no such value", name);
}

int wr_log_query_read(const struct wr_exchange *ex, bool old_form, struct wr_log_query *ret,
                      char search[static WR_LOG_SEARCH_MAX + 1], struct wr_error *err)
{
    static const char *const directions[] = {"forward", "backward"};
    struct wr_log_query query = {0};
    size_t direction = old_form ? 0 : 1, level = WR_LEVEL_DEBUG;
    uint64_t cursor_ms = UINT64_MAX, limit = WR_LOG_LINES_MAX;

    int r = read_number(ex, old_form ? "start" : "cursor", INT64_MAX, &cursor_ms, err);
    if (r == 0)
        r = read_number(ex, "limit", WR_LOG_LINES_MAX, &limit, err);
    if (r == 0 && !old_form)
        r = read_word(ex, "direction", directions, WR_ARRAY_SIZE(directions), &direction, err);
    if (r == 0 && !old_form)
        r = read_word(ex, "level", wr_log_level_names, WR_LEVEL_ERROR + 1, &level, err);
    if (r == 0 && !old_form) {
        r = wr_exchange_query(ex, "search", search, WR_LOG_SEARCH_MAX + 1, err);
        if (r > 0)
            query.search = search;
        r = WR_MIN(r, 0);
    }
    if (r < 0)
        return r;
    query.backward = direction == 1;
    query.cursor_ms = cursor_ms == UINT64_MAX && !query.backward ? 0 : cursor_ms;
    query.level = (enum wr_level)level;
    query.limit = (uint32_t)limit;
    *ret = query;
    return 0;
}
