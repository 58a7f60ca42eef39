#include "log/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

/* A line is one write of at most PIPE_BUF bytes: lines of several processes on one pipe do not mix.
 */
#define LINE_MAX_BYTES   4096
/* Kept free for what ends a cut line: dots, quote, the mark, brace, newline. */
#define TAIL_BYTES       32
#define LIMIT_PER_WINDOW 10
#define LIMIT_WINDOW_MS  1000

static struct {
    const char *component;
    enum wr_log_level min_level;
    bool json;
} config = {.component = "warren", .min_level = WR_LOG_INFO};

struct line {
    char text[LINE_MAX_BYTES];
    size_t len;
    bool truncated;
    const char *close; /* what ends the open value; NULL between values */
};

void wr_log_init(const char *component, enum wr_log_level min_level)
{
    config.component = component;
    config.min_level = min_level;
}

void wr_log_format_json(bool on)
{
    config.json = on;
}

/* All or nothing; after the first thing that does not fit nothing is added, so that no text is
 * missing in the middle. */
static bool put(struct line *line, const char *text, size_t len)
{
    if (line->truncated || len > sizeof(line->text) - TAIL_BYTES - line->len) {
        line->truncated = true;
        return false;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
    return true;
}

static void put_tail(struct line *line, const char *text)
{
    size_t len = WR_MIN(strlen(text), sizeof(line->text) - line->len);
    memcpy(line->text + line->len, text, len);
    line->len += len;
}

/* Bytes of the printable UTF-8 character at s; 0 for control characters (also U+0080..9F) and
 * invalid bytes. */
static size_t printable_len(const char *s, size_t len)
{
    unsigned char c = (unsigned char)s[0];
    if (c < 0x80)
        return c >= 0x20 && c != 0x7f;
    size_t n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (n > len || !wr_utf8_valid(s, n))
        return 0;
    return c == 0xc2 && (unsigned char)s[1] < 0xa0 ? 0 : n;
}

static bool put_escaped(struct line *line, char c)
{
    unsigned int byte = (unsigned char)c;
    char text[8];
    bool fits = true;
    switch (c) {
    case '"':
    case '\\':
        fits = wr_strformat(text, sizeof(text), "\\%c", c);
        break;
    case '\n':
        fits = wr_strcopy(text, sizeof(text), "\\n");
        break;
    case '\r':
        fits = wr_strcopy(text, sizeof(text), "\\r");
        break;
    case '\t':
        fits = wr_strcopy(text, sizeof(text), "\\t");
        break;
    default:
        fits = wr_strformat(text, sizeof(text), config.json ? "\\u%04x" : "\\x%02x", byte);
        break;
    }
    return fits && put(line, text, strlen(text));
}

static void put_content(struct line *line, const char *value)
{
    size_t len = strlen(value);
    bool more = true;
    while (more && len > 0) {
        size_t n = *value == '"' || *value == '\\' ? 0 : printable_len(value, len);
        more = n > 0 ? put(line, value, n) : put_escaped(line, *value);
        n = WR_MAX(n, (size_t)1);
        value += n;
        len -= n;
    }
}

static bool needs_quotes(const char *value)
{
    if (config.json || *value == '\0')
        return true;
    for (size_t len = strlen(value); len > 0; value++, len--)
        if ((unsigned char)*value >= 0x80 || strchr(" \"=\\", *value) || !printable_len(value, len))
            return true;
    return false;
}

static void put_pair(struct line *line, const char *key, const char *value)
{
    char prefix[80];
    bool quotes = needs_quotes(value);
    bool fits = config.json ? wr_strformat(prefix, sizeof(prefix), "%s\"%s\":\"",
                                           line->len ? "," : "{", key)
                            : wr_strformat(prefix, sizeof(prefix), "%s%s=%s", line->len ? " " : "",
                                           key, quotes ? "\"" : "");
    if (!fits) {
        line->truncated = true;
        return;
    }
    if (!put(line, prefix, strlen(prefix)))
        return;
    line->close = quotes ? "\"" : "";
    put_content(line, value);
    if (put(line, line->close, strlen(line->close)))
        line->close = NULL;
}

static void finish(struct line *line)
{
    if (line->close) {
        put_tail(line, "...");
        put_tail(line, line->close);
    }
    if (line->truncated)
        put_tail(line, config.json ? ",\"truncated\":\"true\"" : " truncated=true");
    put_tail(line, config.json ? "}\n" : "\n");
}

static void emit(enum wr_log_level level, uint32_t dropped, const char *message, va_list ap)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    int saved = errno;
    char now[25];
    struct line line;
    line.len = 0;
    line.truncated = false;
    line.close = NULL;

    wr_format_rfc3339(wr_wall_ms(), now);
    put_pair(&line, "time", now);
    put_pair(&line, "level", names[level]);
    put_pair(&line, "component", config.component);
    put_pair(&line, "msg", message);
    if (dropped > 0) {
        char count[16];
        (void)!wr_strformat(count, sizeof(count), "%u", dropped);
        put_pair(&line, "dropped", count);
    }
    for (;;) {
        const char *key = va_arg(ap, const char *);
        /* A missing value ends the pairs too: behind it there may be nothing to read. */
        const char *value = key ? va_arg(ap, const char *) : NULL;
        if (!value)
            break;
        put_pair(&line, key, value);
    }
    finish(&line);
    /* Best effort: a full pipe or a closed stderr must not stop the work. */
    ssize_t n = write(STDERR_FILENO, line.text, line.len);
    (void)n;
    errno = saved;
}

void wr_log(enum wr_log_level level, const char *message, ...)
{
    if (level < config.min_level)
        return;
    va_list ap;
    va_start(ap, message);
    emit(level, 0, message, ap);
    va_end(ap);
}

void wr_log_limited(struct wr_log_limit *limit, enum wr_log_level level, const char *message, ...)
{
    if (level < config.min_level)
        return;
    uint64_t now_ms = wr_mono_ms();
    uint32_t dropped = 0;
    if (limit->in_window == 0 || now_ms - limit->window_start_ms >= LIMIT_WINDOW_MS) {
        dropped = limit->dropped;
        *limit = (struct wr_log_limit){.window_start_ms = now_ms};
    }
    if (limit->in_window >= LIMIT_PER_WINDOW) {
        limit->dropped++;
        return;
    }
    limit->in_window++;
    va_list ap;
    va_start(ap, message);
    emit(level, dropped, message, ap);
    va_end(ap);
}
