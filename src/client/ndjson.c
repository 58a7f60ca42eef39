#include "client/ndjson.h"

#include <errno.h>
#include <string.h>

#include "json/jread.h"

/* A value takes up to two hundred bytes of memory: what a line of the greatest length could hold at
 * worst is more than a client should need. */
#define MAX_VALUES ((size_t)4 * 1024 * 1024)
#define KEPT_BYTES ((size_t)64 * 1024)

void wr_ndjson_init(struct wr_ndjson *reader)
{
    *reader = (struct wr_ndjson){0};
    wr_buf_init(&reader->in, WR_NDJSON_LINE_MAX);
}

void wr_ndjson_done(struct wr_ndjson *reader)
{
    wr_buf_done(&reader->in);
    reader->scanned = 0;
}

int wr_ndjson_push(struct wr_ndjson *reader, const char *bytes, size_t len, struct wr_error *err)
{
    int r = wr_buf_append(&reader->in, bytes, len);

    if (r == -ENOBUFS)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "a message is longer than %zu MiB",
                       WR_NDJSON_LINE_MAX / WR_MIB);
    return r < 0 ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "memory for a message") : 0;
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", line[i]) || line[i] == '\0')
            return false;
    return true;
}

int wr_ndjson_next(struct wr_ndjson *reader, json_t **ret, struct wr_error *err)
{
    static const struct wr_json_limits limits = {
        .bytes = WR_NDJSON_LINE_MAX, .values = MAX_VALUES, .allow_nul = true, .big_integers = true};

    while (reader->scanned < reader->in.len) {
        const char *line = wr_buf_ptr(&reader->in);
        const char *end = memchr(line + reader->scanned, '\n', reader->in.len - reader->scanned);
        if (!end) {
            reader->scanned = reader->in.len;
            break;
        }
        size_t len = (size_t)(end - line);
        bool blank = is_blank(line, len);
        int r = blank ? 0 : wr_json_parse_limited(line, len, &limits, ret, err);
        wr_buf_consume(&reader->in, len + 1);
        reader->scanned = 0;
        wr_buf_trim(&reader->in, KEPT_BYTES);
        if (!blank)
            return r < 0 ? r : 1;
    }
    return 0;
}
