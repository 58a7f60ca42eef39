#include "cli/out.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "base/alloc.h"
#include "base/str.h"

void wr_table_init(struct wr_table *table, const char *const *headers, size_t columns)
{
    *table = (struct wr_table){.headers = headers, .columns = columns};
}

void wr_table_done(struct wr_table *table)
{
    for (size_t i = 0; i < table->count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct wr_table){0};
}

static char *clean_copy(const char *text)
{
    char *copy = wr_strdup(text);
    bool utf8 = wr_utf8_valid(text, strlen(text));

    for (char *p = copy; p && *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            *p = '?';
    }
    return copy;
}

void wr_table_cell(struct wr_table *table, const char *text)
{
    if (table->count == table->cap && !table->failed) {
        size_t cap = table->cap ? table->cap * 2 : 64;
        char **cells = realloc(table->cells, cap * sizeof *cells);
        table->failed = !cells;
        if (cells) {
            table->cells = cells;
            table->cap = cap;
        }
    }
    char *copy = table->failed ? NULL : clean_copy(text ? text : "-");
    if (!copy)
        table->failed = true;
    else
        table->cells[table->count++] = copy;
}

int wr_table_print(const struct wr_table *table, struct wr_error *err)
{
    size_t width[WR_TABLE_MAX_COLUMNS] = {0};

    if (table->failed)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table");
    for (size_t c = 0; c < table->columns; c++) {
        width[c] = strlen(table->headers[c]);
        for (size_t i = c; i < table->count; i += table->columns)
            width[c] = WR_MAX(width[c], strlen(table->cells[i]));
    }
    for (size_t i = 0; i < table->columns + table->count; i++) {
        size_t c = i % table->columns;
        bool last = c + 1 == table->columns;
        const char *text =
            i < table->columns ? table->headers[i] : table->cells[i - table->columns];
        if (last)
            printf("%s\n", text);
        else
            printf("%-*s  ", (int)WR_MIN(width[c], (size_t)200), text);
    }
    if (fflush(stdout) != 0)
        return wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output");
    return 0;
}

int wr_print_json(const json_t *json, struct wr_error *err)
{
    if (json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8)) < 0 ||
        putchar('\n') == EOF || fflush(stdout) != 0)
        return wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output");
    return 0;
}

void wr_format_span(uint64_t ms, char *out, size_t cap)
{
    double s = (double)ms / 1000;
    bool fits = s < 120      ? wr_strformat(out, cap, "%.0f s", s)
                : s < 7200   ? wr_strformat(out, cap, "%.0f min", s / 60)
                : s < 172800 ? wr_strformat(out, cap, "%.1f h", s / 3600)
                             : wr_strformat(out, cap, "%.0f d", s / 86400);
    if (!fits)
        out[0] = '\0';
}

uint64_t wr_parse_time(const char *text)
{
    struct tm tm = {0};
    unsigned ms = 0;

    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return 0;
    if (*rest == '.' && sscanf(rest, ".%3u", &ms) != 1)
        return 0;
    time_t seconds = timegm(&tm);
    return seconds < 0 ? 0 : (uint64_t)seconds * 1000 + ms;
}

/* Length of the valid sequence at the front, 0 when there is none. */
static size_t utf8_sequence(const char *bytes, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++)
        if (bytes[0] != '\0' && wr_utf8_valid(bytes, n))
            return n;
    return 0;
}

char *wr_utf8_repair(const char *bytes, size_t len)
{
    static const char replacement[] = "\xef\xbf\xbd";
    char *out = wr_calloc(len + 1, 3);
    size_t n = 0;

    for (size_t i = 0; out && i < len;) {
        size_t step = utf8_sequence(bytes + i, len - i);
        memcpy(out + n, step ? bytes + i : replacement, step ? step : 3);
        n += step ? step : 3;
        i += step ? step : 1;
    }
    return out;
}
