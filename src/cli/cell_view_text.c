/* Cells for people. Results of several formats are shown by the one that a terminal shows best:
 * pictures, then tables, then text. */
#include "base/alloc.h"
#include "base/str.h"
#include "cli/cell_view.h"
#include "cli/html_table.h"
#include "cli/terminal.h"

#define MAX_SHOWN ((size_t)64 * 1024 * 1024)

static void write_text(struct wr_cell_view *view, bool to_err, const char *text, size_t len)
{
    wr_cell_output_write(view->output, to_err, text, len);
}

static void write_line(struct wr_cell_view *view, bool to_err, const char *text, size_t len)
{
    write_text(view, to_err, text, len);
    if (len > 0 && text[len - 1] != '\n')
        write_text(view, to_err, "\n", 1);
}

/* "[3] Title"; titles are the file's own text, but may hold anything. */
static void begin(struct wr_cell_view *view, const struct wr_cell *cell)
{
    wr_auto_buf line = WR_BUF(4096);

    if (view->headless)
        return;
    int r = wr_buf_printf(&line, "%s[%u]", view->styled ? "\033[2m" : "", cell->number);
    for (const char *p = cell->title ? cell->title : ""; r == 0 && *p; p++) {
        if (p == cell->title)
            r = wr_buf_append_char(&line, ' ');
        if (r == 0 && ((unsigned char)*p >= ' ' && *p != 0x7f))
            r = wr_buf_append_char(&line, *p);
    }
    if (r == 0)
        r = wr_buf_append_str(&line, view->styled ? "\033[0m\n" : "\n");
    if (r == 0)
        write_text(view, false, wr_buf_ptr(&line), line.len);
}

static void show_picture(struct wr_cell_view *view, const struct wr_picture_format *format,
                         const struct wr_buf *bytes, const char *path, void *data)
{
    wr_auto_buf drawing = WR_BUF(MAX_SHOWN * 2);
    struct wr_error error = {0};

    (void)data;
    int r = wr_picture_draw(view->protocol, format, bytes, &drawing, &error);
    if (r > 0)
        write_text(view, false, wr_buf_ptr(&drawing), drawing.len);
    if (r < 0 && !view->draw_failed) {
        view->draw_failed = true;
        wr_cell_view_warn(view, error.msg);
    }
    write_text(view, false, "picture: ", 9);
    write_line(view, false, path, strlen(path));
}

/* A table from HTML, as wide as the terminal. False: there is none. */
static bool show_table(struct wr_cell_view *view, const json_t *result)
{
    const json_t *html = json_object_get(result, "html");
    wr_auto_buf lines = WR_BUF(MAX_SHOWN);
    struct wr_error error = {0};
    struct wr_grid grid = {0};
    unsigned columns = 0, rows = 0;

    if (!json_is_string(html))
        return false;
    int r = wr_html_table_read(json_string_value(html), json_string_length(html), &grid, &error);
    wr_terminal_size(&columns, &rows);
    if (r > 0)
        r = wr_grid_print(&grid, columns, &lines, &error) == 0 ? 1 : -1;
    wr_grid_done(&grid);
    if (r > 0)
        write_text(view, false, wr_buf_ptr(&lines), lines.len);
    return r > 0;
}

static bool show_text(struct wr_cell_view *view, const json_t *result)
{
    static const char *const members[] = {"text", "markdown", "latex", "javascript"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++) {
        const json_t *text = json_object_get(result, members[i]);
        if (!json_is_string(text))
            continue;
        write_line(view, false, json_string_value(text), json_string_length(text));
        return true;
    }
    const json_t *json = json_object_get(result, "json");
    wr_auto_free char *dump = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    if (dump)
        write_line(view, false, dump, strlen(dump));
    return dump != NULL;
}

/* Formats that only a browser shows are at least named. */
static void name_formats(struct wr_cell_view *view, const json_t *result)
{
    wr_auto_buf line = WR_BUF(1024);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)result, key, value) {
        bool format = json_is_string(value) || json_object_size(value) > 0;
        if (!format || wr_streq(key, "type") || wr_streq(key, "extra"))
            continue;
        if (wr_buf_printf(&line, "%s%.40s", line.len ? ", " : "(a result as ", key) < 0)
            return;
    }
    if (line.len > 0 && wr_buf_append_str(&line, ")\n") == 0)
        write_text(view, false, wr_buf_ptr(&line), line.len);
}

static void show_result(struct wr_cell_view *view, const struct wr_cell_message *message)
{
    wr_cell_output_end_line(view->output);
    if (wr_cell_view_pictures(view, message->json, show_picture, NULL) == 0 &&
        !show_table(view, message->json) && !show_text(view, message->json))
        name_formats(view, message->json);
}

static void show_error(struct wr_cell_view *view, const struct wr_cell_message *message)
{
    wr_cell_output_end_line(view->output);
    if (*message->traceback) {
        write_line(view, true, message->traceback, strlen(message->traceback));
        return;
    }
    write_text(view, true, message->name, strlen(message->name));
    write_text(view, true, ": ", 2);
    write_line(view, true, message->value, strlen(message->value));
}

static void message(struct wr_cell_view *view, const struct wr_cell_message *message)
{
    switch (message->kind) {
    case WR_CELL_COUNT:
        break;
    case WR_CELL_STDOUT:
    case WR_CELL_STDERR:
        write_text(view, message->kind == WR_CELL_STDERR, message->text, message->text_len);
        break;
    case WR_CELL_RESULT:
        show_result(view, message);
        break;
    case WR_CELL_ERROR:
        show_error(view, message);
        break;
    }
}

static void end(struct wr_cell_view *view, const struct wr_cell_outcome *outcome)
{
    (void)outcome; /* an error was shown when it came */
    wr_cell_output_end_line(view->output);
}

const struct wr_cell_view_ops wr_cell_view_text = {.begin = begin, .message = message, .end = end};
