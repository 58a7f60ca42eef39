#include "cli/html_table.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/str.h"

#define MAX_COLUMNS 4096
#define MAX_TEXT    ((size_t)64 * 1024) /* of one cell, bytes */

struct cell {
    size_t row, column;
    char *text;
};

struct reader {
    const char *at, *end;
    struct cell *cells;
    size_t count, cap;
    size_t rows, columns;      /* seen so far */
    size_t column;             /* the next one in the current row */
    size_t below[MAX_COLUMNS]; /* further rows that a cell above reaches into */
    size_t header_rows, header_columns;
    size_t names; /* columns of the <th> that the current row begins with */
    bool in_table, in_head, in_row, in_cell, leading; /* leading: only <th> in this row so far */
    struct wr_buf text;                               /* of the current cell */
    size_t row_span, column_span;
    bool broken; /* not a table that a grid can hold */
    bool failed; /* no memory */
};

struct tag {
    const char *name; /* lower case is not needed: pandas and polars write it so */
    size_t name_len;
    const char *attributes;
    size_t attributes_len;
    bool closing;
};

static bool is_tag(const struct tag *tag, const char *name)
{
    return wr_memcaseeq(tag->name, tag->name_len, name, strlen(name));
}

/* Reads "<...>" at reader->at; a quote hides the end. False: the text ends inside. */
static bool take_tag(struct reader *reader, struct tag *ret)
{
    const char *p = reader->at + 1;
    char quote = 0;

    *ret = (struct tag){0};
    if (p < reader->end && *p == '/') {
        ret->closing = true;
        p++;
    }
    ret->name = p;
    while (p < reader->end && !strchr(" \t\r\n/>", *p))
        p++;
    ret->name_len = (size_t)(p - ret->name);
    ret->attributes = p;
    for (; p < reader->end && (quote || *p != '>'); p++) {
        if (quote && *p == quote)
            quote = 0;
        else if (!quote && (*p == '"' || *p == '\''))
            quote = *p;
    }
    if (p >= reader->end)
        return false;
    ret->attributes_len = (size_t)(p - ret->attributes);
    reader->at = p + 1;
    return true;
}

/* A span from 1 up, as pandas writes it: colspan="2". */
static size_t span_of(const struct tag *tag, const char *name)
{
    char pattern[16], digits[8] = "";
    uint64_t value = 1;

    if (!wr_strformat(pattern, sizeof pattern, "%s=\"", name))
        return 1;
    const char *found = memmem(tag->attributes, tag->attributes_len, pattern, strlen(pattern));
    if (!found)
        return 1;
    found += strlen(pattern);
    for (size_t i = 0; i + 1 < sizeof digits && found < tag->attributes + tag->attributes_len &&
                       *found >= '0' && *found <= '9';
         i++)
        digits[i] = *found++;
    return wr_parse_u64(digits, 1, 1000000, &value) < 0 ? 1 : (size_t)value;
}

static void add_char(struct reader *reader, uint32_t c)
{
    char out[4];
    size_t n;

    if (c <= ' ' || c == 0x7f || c == 0xa0) {
        /* Runs of blanks are one; at the front they are none. */
        if (reader->text.len == 0 || wr_buf_ptr(&reader->text)[reader->text.len - 1] == ' ')
            return;
        c = ' ';
    }
    if (c < 0x80) {
        out[0] = (char)c;
        n = 1;
    } else if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        n = 2;
    } else if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        n = 3;
    } else {
        out[0] = (char)(0xf0 | c >> 18);
        out[1] = (char)(0x80 | (c >> 12 & 0x3f));
        out[2] = (char)(0x80 | (c >> 6 & 0x3f));
        out[3] = (char)(0x80 | (c & 0x3f));
        n = 4;
    }
    /* What is longer than the limit is cut when it is shown anyway. */
    if (n <= wr_buf_room(&reader->text) && wr_buf_append(&reader->text, out, n) < 0)
        reader->failed = true;
}

static bool is_character(uint64_t c)
{
    return c > 0 && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff) && (c < 0x80 || c >= 0xa0);
}

/* One character of text that is known to be UTF-8. */
static void take_character(struct reader *reader)
{
    const unsigned char *p = (const unsigned char *)reader->at;
    size_t more = p[0] >= 0xf0 ? 3 : p[0] >= 0xe0 ? 2 : p[0] >= 0xc0 ? 1 : 0;
    uint32_t c = more == 3 ? p[0] & 0x07 : more == 2 ? p[0] & 0x0f : more ? p[0] & 0x1f : p[0];

    for (size_t i = 1; i <= more; i++)
        c = c << 6 | (p[i] & 0x3f);
    reader->at += more + 1;
    if (is_character(c))
        add_char(reader, c);
}

/* "&amp;" and the like at reader->at. */
static void take_entity(struct reader *reader)
{
    static const struct {
        const char *name;
        uint32_t c;
    } names[] = {{"amp", '&'},  {"lt", '<'},    {"gt", '>'},
                 {"quot", '"'}, {"apos", '\''}, {"nbsp", ' '}};
    const char *stop =
        memchr(reader->at, ';', WR_MIN((size_t)(reader->end - reader->at), (size_t)12));
    size_t len = stop ? (size_t)(stop - reader->at) - 1 : 0;
    char text[12];
    uint64_t value = 0;

    if (stop && len > 0) {
        memcpy(text, reader->at + 1, len);
        text[len] = '\0';
        for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
            if (wr_streq(text, names[i].name))
                value = names[i].c;
        if (text[0] == '#' && (text[1] == 'x' || text[1] == 'X'))
            value = strtoul(text + 2, NULL, 16);
        else if (text[0] == '#')
            value = strtoul(text + 1, NULL, 10);
    }
    if (is_character(value)) {
        add_char(reader, (uint32_t)value);
        reader->at = stop + 1;
        return;
    }
    add_char(reader, '&');
    reader->at++;
}

static void begin_row(struct reader *reader)
{
    reader->in_row = true;
    reader->leading = true;
    reader->names = 0;
    reader->rows++;
    reader->column = 0;
    if (reader->in_head)
        reader->header_rows = reader->rows;
}

static void end_row(struct reader *reader)
{
    /* Cells from above to the right of the last one. */
    for (; reader->in_row && reader->column < MAX_COLUMNS; reader->column++)
        if (reader->below[reader->column] > 0)
            reader->below[reader->column]--;
    /* Names alone are names of columns, with or without <thead>. */
    if (reader->in_row && reader->leading && reader->header_rows == reader->rows - 1)
        reader->header_rows = reader->rows;
    reader->in_row = false;
}

static void begin_cell(struct reader *reader, const struct tag *tag)
{
    reader->in_cell = true;
    reader->row_span = span_of(tag, "rowspan");
    reader->column_span = span_of(tag, "colspan");
    wr_buf_clear(&reader->text);
    while (reader->column < MAX_COLUMNS && reader->below[reader->column] > 0)
        reader->below[reader->column++]--;
    if (reader->column_span > MAX_COLUMNS || reader->column > MAX_COLUMNS - reader->column_span)
        reader->broken = true;
    else if (is_tag(tag, "th") && reader->leading)
        reader->names = reader->column + reader->column_span;
    else if (is_tag(tag, "td") && reader->leading) {
        reader->leading = false;
        if (!reader->in_head)
            reader->header_columns = WR_MAX(reader->header_columns, reader->names);
    }
}

static struct cell *new_cell(struct reader *reader)
{
    if (reader->count == reader->cap) {
        size_t cap = reader->cap ? 2 * reader->cap : 256;
        struct cell *cells = cap <= WR_GRID_MAX_CELLS ? wr_calloc(cap, sizeof *cells) : NULL;
        if (!cells) {
            reader->broken = true;
            return NULL;
        }
        if (reader->count > 0)
            memcpy(cells, reader->cells, reader->count * sizeof *cells);
        free(reader->cells);
        reader->cells = cells;
        reader->cap = cap;
    }
    return &reader->cells[reader->count++];
}

static void end_cell(struct reader *reader)
{
    const char *text = wr_buf_cstr(&reader->text);
    struct cell *cell = reader->broken || !text ? NULL : new_cell(reader);

    reader->in_cell = false;
    if (!cell) {
        reader->broken = true;
        return;
    }
    *cell = (struct cell){reader->rows - 1, reader->column, wr_strdup(text)};
    reader->failed = reader->failed || !cell->text;
    for (size_t i = 0; i < reader->column_span; i++)
        reader->below[reader->column++] = reader->row_span - 1;
    reader->columns = WR_MAX(reader->columns, reader->column);
}

static void take_markup(struct reader *reader)
{
    struct tag tag;

    if (!take_tag(reader, &tag)) {
        reader->broken = true;
        return;
    }
    bool cell = is_tag(&tag, "td") || is_tag(&tag, "th");
    if (reader->in_cell && (cell || is_tag(&tag, "tr") || is_tag(&tag, "table")))
        end_cell(reader);
    if (is_tag(&tag, "table")) {
        /* One inside another is nothing that a grid can show. */
        reader->broken = reader->broken || !tag.closing;
        end_row(reader);
        reader->in_table = false;
    } else if (is_tag(&tag, "thead")) {
        reader->in_head = !tag.closing;
    } else if (is_tag(&tag, "tr")) {
        end_row(reader);
        if (!tag.closing)
            begin_row(reader);
    } else if (cell && !tag.closing && reader->in_row) {
        begin_cell(reader, &tag);
    }
}

/* To the first "<table", wherever it is: what stands before is style. */
static bool find_table(struct reader *reader)
{
    static const char front[] = "<table";
    struct tag tag;

    reader->at = memmem(reader->at, (size_t)(reader->end - reader->at), front, strlen(front));
    return reader->at && take_tag(reader, &tag) && is_tag(&tag, "table");
}

static void read_body(struct reader *reader)
{
    reader->in_table = true;
    while (reader->in_table && !reader->broken && !reader->failed) {
        if (reader->at >= reader->end)
            reader->broken = true;
        else if (*reader->at == '<')
            take_markup(reader);
        else if (*reader->at == '&')
            take_entity(reader);
        else if (!reader->in_cell)
            reader->at++;
        else
            take_character(reader);
    }
}

/* pandas says below how large the whole is: "<p>1000 rows × 2 columns</p>". */
static char *read_caption(const struct reader *reader)
{
    static const char front[] = "<p>", back[] = "</p>";
    const char *at = reader->at;

    while (at < reader->end && strchr(" \t\r\n", *at))
        at++;
    size_t left = (size_t)(reader->end - at);
    if (left < strlen(front) || memcmp(at, front, strlen(front)) != 0)
        return NULL;
    at += strlen(front);
    const char *stop = memmem(at, (size_t)(reader->end - at), back, strlen(back));
    if (!stop || stop - at > 200)
        return NULL;
    for (const char *p = at; p < stop; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f || *p == '<' || *p == '&')
            return NULL;
    return wr_strndup(at, (size_t)(stop - at));
}

static int to_grid(struct reader *reader, struct wr_grid *grid, struct wr_error *err)
{
    /* Each is far below the square root of what a size_t holds. */
    if (reader->broken || reader->rows == 0 || reader->columns == 0 ||
        reader->rows > WR_GRID_MAX_CELLS || reader->rows * reader->columns > WR_GRID_MAX_CELLS)
        return 0;
    char **cells = wr_calloc(reader->rows * reader->columns, sizeof *cells);
    if (!cells)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table");
    for (size_t i = 0; i < reader->count; i++) {
        const struct cell *cell = &reader->cells[i];
        cells[cell->row * reader->columns + cell->column] = wr_steal_ptr(&reader->cells[i].text);
    }
    *grid = (struct wr_grid){.cells = cells,
                             .rows = reader->rows,
                             .columns = reader->columns,
                             .header_rows = reader->header_rows,
                             .header_columns = WR_MIN(reader->header_columns, reader->columns),
                             .caption = read_caption(reader)};
    return 1;
}

int wr_html_table_read(const char *html, size_t len, struct wr_grid *grid, struct wr_error *err)
{
    wr_auto_free struct reader *reader = wr_calloc(1, sizeof *reader);
    int r = 0;

    *grid = (struct wr_grid){0};
    if (!reader)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table");
    if (!wr_utf8_valid(html, len))
        return 0;
    reader->at = html;
    reader->end = html + len;
    wr_buf_init(&reader->text, MAX_TEXT);
    if (find_table(reader)) {
        read_body(reader);
        r = reader->failed ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "table")
                           : to_grid(reader, grid, err);
    }
    wr_buf_done(&reader->text);
    for (size_t i = 0; i < reader->count; i++)
        free(reader->cells[i].text);
    free(reader->cells);
    return r;
}
