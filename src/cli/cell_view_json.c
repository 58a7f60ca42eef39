/* Cells for programs: one JSON object per line. */
#include "base/alloc.h"
#include "base/str.h"
#include "cli/cell_view.h"

#define ALL_DIGITS 17 /* of a double */

/* Takes the event over; one that there was no memory for is told, not left out silently. */
static void print_event(struct wr_cell_view *view, json_t *event, size_t digits)
{
    wr_auto_free char *text =
        event ? json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(digits)) : NULL;

    json_decref(event);
    if (!text) {
        view->failed = true;
        wr_cell_view_warn(view, "no memory for an event");
        return;
    }
    wr_cell_output_write(view->output, false, text, strlen(text));
    wr_cell_output_write(view->output, false, "\n", 1);
}

static void begin(struct wr_cell_view *view, const struct wr_cell *cell)
{
    print_event(view,
                json_pack("{s:s, s:i, s:s?}", "event", "begin", "cell", (int)view->cell, "title",
                          cell->title),
                ALL_DIGITS);
}

static void add_file(struct wr_cell_view *view, const struct wr_picture_format *format,
                     const struct wr_buf *bytes, const char *path, void *data)
{
    (void)format;
    (void)bytes;
    if (json_array_append_new(data, json_string(path)) < 0)
        view->failed = true;
}

static json_t *result_event(struct wr_cell_view *view, const json_t *result)
{
    json_t *files = json_array(), *copy = json_copy((json_t *)(uintptr_t)result);

    wr_cell_view_pictures(view, result, add_file, files);
    (void)!json_object_del(copy, "type");
    return json_pack("{s:s, s:i, s:o, s:o}", "event", "result", "cell", (int)view->cell, "result",
                     copy, "files", files);
}

static void message(struct wr_cell_view *view, const struct wr_cell_message *message)
{
    const bool to_err = message->kind == WR_CELL_STDERR;
    json_t *event = NULL;

    switch (message->kind) {
    case WR_CELL_COUNT:
        return;
    case WR_CELL_STDOUT:
    case WR_CELL_STDERR:
        event = json_pack("{s:s, s:i, s:s%}", "event", to_err ? "stderr" : "stdout", "cell",
                          (int)view->cell, "text", message->text, message->text_len);
        break;
    case WR_CELL_RESULT:
        event = result_event(view, message->json);
        break;
    case WR_CELL_ERROR:
        event = json_pack("{s:s, s:i, s:s, s:s, s:s}", "event", "error", "cell", (int)view->cell,
                          "name", message->name, "value", message->value, "traceback",
                          message->traceback);
        break;
    }
    print_event(view, event, ALL_DIGITS);
}

static void end(struct wr_cell_view *view, const struct wr_cell_outcome *outcome)
{
    static const char *const words[] = {[WR_CELL_OK] = "ok",
                                        [WR_CELL_FAILED] = "error",
                                        [WR_CELL_SKIPPED] = "skipped",
                                        [WR_CELL_CUT] = "cut"};
    json_t *count = outcome->count > 0 ? json_integer((json_int_t)outcome->count) : json_null();

    print_event(view,
                json_pack("{s:s, s:i, s:s, s:o, s:f}", "event", "end", "cell", (int)view->cell,
                          "status", words[outcome->status], "executionCount", count, "durationMs",
                          (double)outcome->duration_us / 1000),
                8);
}

const struct wr_cell_view_ops wr_cell_view_json = {.begin = begin, .message = message, .end = end};
