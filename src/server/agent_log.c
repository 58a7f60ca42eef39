#include "server/agent_log.h"

#include <string.h>

#include "json/jread.h"
#include "rpc/timestamp.h"

void wr_agent_log_init(struct wr_agent_log *log)
{
    *log = (struct wr_agent_log){.line = WR_BUF(WR_AGENT_LOG_MAX_LINE)};
}

void wr_agent_log_done(struct wr_agent_log *log)
{
    wr_buf_done(&log->line);
}

/* Programs write NUL bytes, our strings have none: "\u0000" becomes "\ufffd" in place. */
static void replace_nul(char *text, size_t len)
{
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] != '\\')
            continue;
        if (len - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
            memcpy(text + i, "\\ufffd", 6);
        i++;
    }
}

/* False: no more is wanted. */
static bool take_line(struct wr_buf *text, bool (*fn)(const struct wr_agent_line *line, void *data),
                      void *data)
{
    struct wr_agent_line line = {.stream = "stdout", .text = ""};
    const char *ts = "";
    int64_t seconds = 0;
    uint32_t nanos = 0;
    wr_auto_json *json = NULL;
    struct wr_error ignored = {0};
    const struct wr_json_field fields[] = {
        {.name = "ts", .kind = WR_JSON_STRING, .required = true, .ret = &ts},
        {.name = "stream", .kind = WR_JSON_STRING, .ret = &line.stream, .max = 16},
        {.name = "pid", .kind = WR_JSON_I64, .ret = &line.pid},
        {.name = "line",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &line.text,
         .max = WR_AGENT_LOG_MAX_LINE},
    };

    replace_nul(wr_buf_ptr(text), text->len);
    if (wr_json_parse(wr_buf_ptr(text), text->len, &json, &ignored) < 0 ||
        wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &ignored) < 0 ||
        !wr_timestamp_parse(ts, &seconds, &nanos) || seconds < 0)
        return true;
    line.at_ms = (uint64_t)seconds * 1000 + nanos / 1000000;
    return fn(&line, data);
}

bool wr_agent_log_feed(struct wr_agent_log *log, const char *data, size_t len,
                       bool (*fn)(const struct wr_agent_line *line, void *fn_data), void *fn_data)
{
    bool more = true;

    while (more && len > 0) {
        const char *end = memchr(data, '\n', len);
        size_t part = end ? (size_t)(end - data) : len;

        if (!log->skipping && wr_buf_append(&log->line, data, part) < 0)
            log->skipping = true;
        if (end) {
            more = log->skipping || log->line.len == 0 || take_line(&log->line, fn, fn_data);
            wr_buf_clear(&log->line);
            log->skipping = false;
            part++;
        }
        data += part;
        len -= part;
        log->total += part;
    }
    return more && log->total <= WR_AGENT_LOG_MAX;
}
