#include "cli/percent_cells.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"

struct line {
    const char *text;
    size_t len; /* without its line break */
};

/* Takes one line from the front; false at the end. */
static bool next_line(const char **at, const char *end, struct line *ret)
{
    if (*at >= end)
        return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    size_t len = stop ? (size_t)(stop - *at) : (size_t)(end - *at);
    *ret = (struct line){*at, len};
    *at += len + (stop ? 1 : 0);
    if (ret->len > 0 && ret->text[ret->len - 1] == '\r')
        ret->len--;
    return true;
}

static struct line trim(struct line line)
{
    while (line.len > 0 && (line.text[0] == ' ' || line.text[0] == '\t')) {
        line.text++;
        line.len--;
    }
    while (line.len > 0 && strchr(" \t", line.text[line.len - 1]))
        line.len--;
    return line;
}

static bool take(struct line *line, const char *prefix)
{
    size_t len = strlen(prefix);

    if (line->len < len || memcmp(line->text, prefix, len) != 0)
        return false;
    line->text += len;
    line->len -= len;
    return true;
}

/* "# %%" at the start of a line, then nothing or a blank; `rest` is what follows. */
static bool is_marker(struct line line, const char *comment, struct line *rest)
{
    if (!take(&line, comment))
        return false;
    line = trim(line);
    if (!take(&line, "%%") || (line.len > 0 && line.text[0] != ' ' && line.text[0] != '\t'))
        return false;
    *rest = trim(line);
    return true;
}

struct marker {
    enum wr_cell_kind kind;
    struct line title, metadata;
};

/* Whether "name=" of metadata begins here. */
static bool is_metadata(struct line line)
{
    size_t n = 0;

    while (n < line.len && (line.text[n] == '_' || line.text[n] == '-' || line.text[n] == '.' ||
                            (line.text[n] >= '0' && line.text[n] <= '9') ||
                            ((line.text[n] | 0x20) >= 'a' && (line.text[n] | 0x20) <= 'z')))
        n++;
    return n > 0 && n < line.len && line.text[n] == '=';
}

static bool take_kind(struct line *line, enum wr_cell_kind *ret)
{
    static const struct {
        const char *text;
        enum wr_cell_kind kind;
    } kinds[] = {
        {"[markdown]", WR_CELL_MARKDOWN}, {"[md]", WR_CELL_MARKDOWN}, {"[raw]", WR_CELL_RAW}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(kinds); i++) {
        if (take(line, kinds[i].text)) {
            *ret = kinds[i].kind;
            return true;
        }
    }
    return false;
}

static struct marker read_marker(struct line rest)
{
    struct marker marker = {.title = {rest.text, 0}, .metadata = {rest.text, 0}};
    bool word_begins = true;

    for (; rest.len > 0; rest.text++, rest.len--) {
        if (take_kind(&rest, &marker.kind)) {
            marker.metadata = trim(rest);
            break;
        }
        if (word_begins && is_metadata(rest)) {
            marker.metadata = rest;
            break;
        }
        word_begins = rest.text[0] == ' ';
        marker.title.len++;
    }
    marker.title = trim(marker.title);
    return marker;
}

/* Tags are JSON strings in the metadata: the whole word in quotes is enough. */
static void apply_tags(struct wr_cell *cell, struct line metadata)
{
    static const char *const tags[] = {"raises-exception", "skip-execution"};
    char quoted[32];

    for (size_t i = 0; i < WR_ARRAY_SIZE(tags); i++)
        if (wr_strformat(quoted, sizeof quoted, "\"%s\"", tags[i]) &&
            memmem(metadata.text, metadata.len, quoted, strlen(quoted)))
            wr_cell_apply_tag(cell, tags[i]);
}

/* The text of a markdown cell without its comment signs. */
static int uncomment(struct line body, const char *comment, struct wr_buf *out)
{
    const char *at = body.text, *end = body.text + body.len;
    struct line line;
    int r = 0;

    while (r == 0 && next_line(&at, end, &line)) {
        if (take(&line, comment) && line.len > 0 && line.text[0] == ' ')
            (void)take(&line, " ");
        if (out->len > 0)
            r = wr_buf_append_char(out, '\n');
        if (r == 0)
            r = wr_buf_append(out, line.text, line.len);
    }
    return r;
}

/* Blank lines around a cell's text belong to the file, not to the cell. */
static struct line strip_blank_lines(struct line body)
{
    while (body.len > 0 && strchr("\r\n \t", body.text[body.len - 1]))
        body.len--;
    for (;;) {
        const char *at = body.text;
        struct line first;
        if (!next_line(&at, body.text + body.len, &first) || trim(first).len > 0)
            return body;
        body.len -= (size_t)(at - body.text);
        body.text = at;
    }
}

static int add(struct wr_cells *cells, const struct marker *marker, struct line body,
               struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_CELLS_FILE_MAX);
    struct wr_cell *cell = NULL;

    body = strip_blank_lines(body);
    if (marker->kind != WR_CELL_CODE) {
        if (uncomment(body, cells->language->comment, &text) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cells");
        body = (struct line){wr_buf_ptr(&text), text.len};
    }
    int r = wr_cells_add(cells, marker->kind, body.text, body.len, &cell, err);
    if (r < 0)
        return r;
    apply_tags(cell, marker->metadata);
    if (marker->title.len > 0) {
        cell->title = wr_strndup(marker->title.text, marker->title.len);
        if (!cell->title)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cells");
    }
    return 0;
}

/* What stands before the first marker: a cell, unless it is blank, or Jupytext's header. */
static int add_front(struct wr_cells *cells, struct line body, struct wr_error *err)
{
    struct marker marker = {
        .kind = WR_CELL_CODE, .title = {body.text, 0}, .metadata = {body.text, 0}};
    struct line first = strip_blank_lines(body);

    if (first.len == 0)
        return 0;
    if (take(&first, cells->language->comment) && take(&first, " ---") &&
        (first.len == 0 || strchr("\r\n", first.text[0])))
        marker.kind = WR_CELL_RAW;
    return add(cells, &marker, body, err);
}

int wr_percent_cells_read(const char *text, size_t len, const struct wr_cell_language *language,
                          struct wr_cells *cells, struct wr_error *err)
{
    const char *at = text, *end = text + len, *body = text;
    struct marker marker = {0};
    bool marked = false;
    struct line line, rest;
    int r = 0;

    *cells = (struct wr_cells){.language = language};
    if (!wr_utf8_valid(text, len) || memchr(text, '\0', len))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the file is not UTF-8 text");
    for (;;) {
        const char *start = at;
        bool more = next_line(&at, end, &line);
        if (more && !is_marker(line, language->comment, &rest))
            continue;
        const struct line before = {body, (size_t)(start - body)};
        r = marked ? add(cells, &marker, before, err) : add_front(cells, before, err);
        if (r < 0 || !more)
            return r;
        marked = true;
        marker = read_marker(rest);
        body = at;
    }
}
