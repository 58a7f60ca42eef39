#include "cli/execution_view.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/value.h"

#define MAX_NAMES 1024

static int write_line(struct wr_execution_view *view, bool to_err, const char *text, size_t len)
{
    int r = wr_turns_write(view->turns, view->number, to_err, text, len);

    if (r == 0)
        wr_turns_end_line(view->turns, view->number);
    return r;
}

/* Formats that have no text are at least named. */
static int name_formats(struct wr_execution_view *view, const json_t *result)
{
    wr_auto_buf line = WR_BUF(MAX_NAMES);
    const char *key;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)result, key, value) {
        if (!json_is_string(value) || wr_streq(key, "type"))
            continue;
        if (wr_buf_printf(&line, "%s%.40s", line.len ? ", " : "(a result as ", key) < 0)
            return 0;
    }
    if (line.len == 0 || wr_buf_append_str(&line, ")\n") < 0)
        return 0;
    return write_line(view, false, wr_buf_ptr(&line), line.len);
}

static int show_result(struct wr_execution_view *view, const json_t *result)
{
    static const char *const members[] = {"text", "markdown", "latex", "javascript"};

    wr_turns_end_line(view->turns, view->number);
    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++) {
        const json_t *text = json_object_get(result, members[i]);
        if (json_is_string(text))
            return write_line(view, false, json_string_value(text), json_string_length(text));
    }
    const json_t *json = json_object_get(result, "json");
    wr_auto_free char *dump = json ? json_dumps(json, JSON_INDENT(2) | JSON_ENCODE_ANY) : NULL;
    return dump ? write_line(view, false, dump, strlen(dump)) : name_formats(view, result);
}

static int show_error(struct wr_execution_view *view, const struct wr_value *error)
{
    const char *traceback = wr_value_string(error, "traceback");
    const char *name = wr_value_string(error, "name"), *value = wr_value_string(error, "value");

    wr_turns_end_line(view->turns, view->number);
    if (*traceback)
        return write_line(view, true, traceback, strlen(traceback));
    wr_auto_free char *text = wr_asprintf("%s: %s", name, value);
    return text ? write_line(view, true, text, strlen(text)) : 0;
}

int wr_execution_view_event(const struct wr_code_event *event, void *data)
{
    struct wr_execution_view *view = data;

    switch (event->kind) {
    case WR_CODE_STDOUT:
    case WR_CODE_STDERR:
        return wr_turns_write(view->turns, view->number, event->kind == WR_CODE_STDERR, event->text,
                              event->text_len);
    case WR_CODE_RESULT:
        return show_result(view, wr_value_json(event->value));
    case WR_CODE_ERROR:
        return show_error(view, event->value);
    }
    return 0;
}
