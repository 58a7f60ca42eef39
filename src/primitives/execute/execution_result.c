#include "primitives/execute/execution_result.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"

#define MAX_LINES ((size_t)10000)
#define MAX_LINE  ((size_t)65536) /* bytes; a longer one is told in pieces */

#define MARK_LEN 9

/* In front of each line, in its buffer too. */
static const char marks[][MARK_LEN + 1] = {"[stdout] ", "[stderr] "};

/* ---- lines ---- */

int wr_output_lines_init(struct wr_output_lines *lines, size_t max_bytes, struct wr_error *err)
{
    *lines = (struct wr_output_lines){.lines = json_array(), .left = max_bytes};
    bool complete = lines->lines;
    for (size_t i = 0; i < WR_ARRAY_SIZE(lines->part); i++) {
        lines->part[i] = wr_calloc(MARK_LEN + MAX_LINE, 1);
        complete = complete && lines->part[i];
        if (lines->part[i])
            memcpy(lines->part[i], marks[i], MARK_LEN);
    }
    if (complete)
        return 0;
    wr_output_lines_done(lines);
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "lines of output");
}

void wr_output_lines_done(struct wr_output_lines *lines)
{
    json_decref(lines->lines);
    free(lines->part[0]);
    free(lines->part[1]);
    *lines = (struct wr_output_lines){0};
}

/* A line that is no UTF-8 is left out; so is what is behind the bound. */
static void tell(struct wr_output_lines *lines, size_t stream)
{
    char *text = lines->part[stream] + MARK_LEN;
    size_t len = lines->part_len[stream], kept = WR_MIN(lines->left, len);

    while (kept < len && kept > 0 && ((unsigned char)text[kept] & 0xc0) == 0x80)
        kept--;
    lines->left -= kept;
    lines->part_len[stream] = 0;
    if (json_array_size(lines->lines) < MAX_LINES && (kept > 0 || len == 0)) {
        json_t *line = json_stringn(lines->part[stream], MARK_LEN + kept);
        (void)json_array_append_new(lines->lines, line); /* one less when memory ran out */
    }
}

void wr_output_lines_add(struct wr_output_lines *lines, const struct wr_code_event *event)
{
    size_t stream = event->kind == WR_CODE_STDERR;

    if (event->kind != WR_CODE_STDOUT && event->kind != WR_CODE_STDERR)
        return;
    for (size_t i = 0; i < event->text_len; i++) {
        bool begins = ((unsigned char)event->text[i] & 0xc0) != 0x80; /* a character */
        size_t *len = &lines->part_len[stream];
        if (event->text[i] == '\n') {
            tell(lines, stream);
            continue;
        }
        if (begins && *len >= MAX_LINE - 4)
            tell(lines, stream);
        if (*len < MAX_LINE)
            lines->part[stream][MARK_LEN + (*len)++] = event->text[i];
    }
}

/* What has no line break behind it is a line at the end. */
static json_t *lines_at_end(struct wr_output_lines *lines)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(lines->part); i++)
        if (lines->part_len[i] > 0)
            tell(lines, i);
    return json_incref(lines->lines);
}

/* ---- texts ---- */

size_t wr_execution_prefix(const char *text, size_t len, size_t max)
{
    size_t count = 0;

    for (size_t i = 0; i < len; i++)
        if (((unsigned char)text[i] & 0xc0) != 0x80 && count++ == max)
            return i;
    return len;
}

static json_t *cut(const char *text, size_t len, size_t max, bool *truncated)
{
    size_t kept = wr_execution_prefix(text, len, max);

    *truncated |= kept < len;
    return json_stringn(text, kept);
}

static json_t *cut_member(const json_t *object, const char *name, size_t max, bool *truncated)
{
    const json_t *text = json_object_get(object, name);

    return json_is_string(text)
               ? cut(json_string_value(text), json_string_length(text), max, truncated)
               : json_string("");
}

const char *wr_execution_main_text(const json_t *run, size_t *ret_len)
{
    const json_t *result;
    size_t i;

    json_array_foreach(json_object_get(run, "results"), i, result) {
        const json_t *text = json_object_get(result, "text");
        if (json_is_true(json_object_get(result, "is_main_result")) && json_is_string(text)) {
            *ret_len = json_string_length(text);
            return json_string_value(text);
        }
    }
    return NULL;
}

/* The output and behind it, on a line of its own, the value of the last expression. */
static json_t *output_of(const json_t *run, size_t max, bool *truncated)
{
    const json_t *logs = json_object_get(run, "output");
    size_t value_len = 0, logs_len = json_string_length(logs);
    const char *value = wr_execution_main_text(run, &value_len);

    if (!value)
        return cut_member(run, "output", max, truncated);
    wr_auto_free char *joined = wr_calloc(logs_len + value_len + 2, 1);
    if (!joined)
        return NULL;
    if (logs_len > 0)
        memcpy(joined, json_string_value(logs), logs_len);
    if (logs_len > 0 && joined[logs_len - 1] != '\n')
        joined[logs_len++] = '\n';
    memcpy(joined + logs_len, value, value_len);
    return cut(joined, logs_len + value_len, max, truncated);
}

/* Text is cut; pictures, tables and the like are whole or useless. */
static json_t *results_of(const json_t *run, size_t max, bool *truncated)
{
    json_t *results = json_array();
    const json_t *result;
    size_t i;

    json_array_foreach(json_object_get(run, "results"), i, result) {
        json_t *copy = json_copy((json_t *)(uintptr_t)result);
        if (json_object_get(copy, "text"))
            (void)json_object_set_new(copy, "text", cut_member(result, "text", max, truncated));
        if (json_array_append_new(results, copy) < 0) {
            json_decref(results);
            return NULL;
        }
    }
    return results;
}

/* ---- errors ---- */

/* What Python's interpreter would end with status 0 for: sys.exit(), sys.exit(0), and
 * sys.exit(False) of unittest.main(). */
static bool is_success_exit(const json_t *error)
{
    static const char *const values[] = {"", "0", "False", "None"};
    const char *name = json_string_value(json_object_get(error, "name"));
    const char *value = json_string_value(json_object_get(error, "value"));

    if (!name || !value || !wr_streq(name, "SystemExit"))
        return false;
    for (size_t i = 0; i < WR_ARRAY_SIZE(values); i++)
        if (wr_streq(value, values[i]))
            return true;
    return false;
}

bool wr_execution_succeeded(const json_t *run)
{
    const json_t *error = json_object_get(run, "error");

    return !json_is_object(error) || is_success_exit(error);
}

/* str() of a SyntaxError ends with where it is, "message (file, line 3)", and the name of the file
 * is one of the interpreter's own. */
static size_t message_len(const char *name, const char *value)
{
    static const char *const kinds[] = {"SyntaxError", "IndentationError", "TabError"};
    const char *place = NULL;
    size_t len = strlen(value);

    for (const char *at = strstr(value, " ("); at; at = strstr(at + 1, " ("))
        place = at;
    if (!place || value[len - 1] != ')' || !strstr(place, ", line "))
        return len;
    for (size_t i = 0; i < WR_ARRAY_SIZE(kinds); i++)
        if (wr_streq(name, kinds[i]))
            return (size_t)(place - value);
    return len;
}

char *wr_execution_error_text(const json_t *error)
{
    const char *name = json_string_value(json_object_get(error, "name"));
    const char *value = json_string_value(json_object_get(error, "value"));

    if (!name || !*name)
        name = "Error";
    if (!value || !*value)
        return wr_strdup(name);
    return wr_asprintf("%s: %.*s", name, (int)message_len(name, value), value);
}

static bool add_error(json_t *result, const struct wr_execution_facts *facts, bool *truncated)
{
    static const char *const members[][2] = {
        {"error_name", "name"}, {"error_value", "value"}, {"traceback", "traceback"}};
    const json_t *error = json_object_get(facts->run, "error");
    bool failed = !wr_execution_succeeded(facts->run);
    json_t *text = json_null();
    int r = 0;

    if (failed) {
        wr_auto_free char *whole = wr_execution_error_text(error);
        text = whole ? cut(whole, strlen(whole), facts->max_output, truncated) : NULL;
    }
    r |= json_object_set_new(result, "error", text);
    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++)
        r |= json_object_set_new(
            result, members[i][0],
            failed ? cut_member(error, members[i][1], facts->max_output, truncated) : json_null());
    return r == 0;
}

/* ---- the whole ---- */

static bool dropped(const json_t *run, const char *name)
{
    return json_integer_value(json_object_get(run, name)) > 0;
}

json_t *wr_execution_result(const struct wr_execution_facts *facts)
{
    const json_t *run = facts->run;
    bool truncated = dropped(run, "stdout_dropped") || dropped(run, "stderr_dropped");
    double run_ms = json_number_value(json_object_get(run, "time_ms"));
    size_t max = facts->max_output;
    json_t *result = json_object();

    if (!result)
        return NULL;
    int r = json_object_set_new(result, "success", json_boolean(wr_execution_succeeded(run)));
    r |= json_object_set_new(result, "logs", cut_member(run, "output", max, &truncated));
    r |= json_object_set_new(result, "output", output_of(run, max, &truncated));
    r |= json_object_set_new(result, "stdout", cut_member(run, "stdout", max, &truncated));
    r |= json_object_set_new(result, "stderr", cut_member(run, "stderr", max, &truncated));
    r |= json_object_set_new(result, "log_lines", lines_at_end(facts->lines));
    r |= json_object_set_new(result, "results", results_of(run, max, &truncated));
    r |= add_error(result, facts, &truncated) ? 0 : -1;
    r |= json_object_set_new(result, "truncated", json_boolean(truncated));
    r |= json_object_set_new(result, "execution_time_ms", json_real(run_ms));
    r |= json_object_set_new(result, "execution_time", json_real(run_ms / 1e3));
    r |= json_object_set_new(result, "sandbox_ms", json_real(facts->sandbox_ms));
    r |= json_object_set_new(result, "sandbox_id", json_string(facts->sandbox_id));
    r |= json_object_set_new(result, "language", json_string(facts->language));
    r |= json_object_set_new(result, "cached", json_false());
    if (r == 0)
        return result;
    json_decref(result);
    return NULL;
}
