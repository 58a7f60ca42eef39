#include "cli/recorder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/rand.h"
#include "base/str.h"

#define MINOR          5
#define STREAM_MAX     ((size_t)64 * 1024 * 1024)
#define DEFAULT_MODE   0644
#define TRUNCATED_NOTE "\n(the rest was too long to keep)\n"

/* Since 4.5 every cell has a name that survives edits. */
static int add_id(json_t *node)
{
    char id[9];

    if (json_is_string(json_object_get(node, "id")))
        return 0;
    wr_random_id(id, sizeof id - 1);
    return json_object_set_new(node, "id", json_string(id));
}

static int prepare_cell(json_t *node, const struct wr_cell *cell)
{
    int failed = add_id(node);

    if (!json_is_object(json_object_get(node, "metadata")))
        failed |= json_object_set_new(node, "metadata", json_object());
    if (cell->kind != WR_CELL_CODE)
        return failed;
    if (!cell->skip || !json_is_array(json_object_get(node, "outputs"))) {
        failed |= json_object_set_new(node, "execution_count", json_null());
        failed |= json_object_set_new(node, "outputs", json_array());
    }
    return failed;
}

/* Whoever wrote the notebook need not have named its kernel as the format wants it. */
static int prepare_metadata(json_t *json, const struct wr_cell_language *language)
{
    json_t *metadata = json_object_get(json, "metadata");
    json_t *kernel = json_object_get(metadata, "kernelspec");
    int failed = 0;

    if (!json_is_object(metadata))
        return json_object_set_new(json, "metadata", json_object());
    if (json_is_object(kernel) && !json_is_string(json_object_get(kernel, "name")))
        failed |= json_object_set_new(kernel, "name", json_string(language->kernel));
    if (json_is_object(kernel) && !json_is_string(json_object_get(kernel, "display_name")))
        failed |= json_object_set_new(kernel, "display_name", json_string(language->display));
    return failed;
}

int wr_recorder_init(struct wr_recorder *recorder, json_t *json, const struct wr_cells *cells,
                     struct wr_error *err)
{
    json_t *list = json_object_get(json, "cells");
    int failed = 0;

    *recorder = (struct wr_recorder){.json = json};
    wr_buf_init(&recorder->stream, STREAM_MAX);
    if (!json)
        return 0;
    for (size_t i = 0; i < cells->count; i++)
        failed |= prepare_cell(json_array_get(list, i), &cells->items[i]);
    if (json_integer_value(json_object_get(json, "nbformat_minor")) < MINOR)
        failed |= json_object_set_new(json, "nbformat_minor", json_integer(MINOR));
    failed |= prepare_metadata(json, cells->language);
    if (failed) {
        wr_recorder_done(recorder);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "executed notebook");
    }
    return 0;
}

void wr_recorder_done(struct wr_recorder *recorder)
{
    json_decref(recorder->json);
    wr_buf_done(&recorder->stream);
    *recorder = (struct wr_recorder){0};
}

/* Texts in notebooks are lists of lines, so that they can be compared. */
static json_t *lines_of(const char *text, size_t len)
{
    json_t *lines = json_array();

    while (lines && len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) + 1 : len;
        if (json_array_append_new(lines, json_stringn(text, n)) < 0) {
            json_decref(lines);
            return NULL;
        }
        text += n;
        len -= n;
    }
    return lines;
}

static void add_output(struct wr_recorder *recorder, json_t *output)
{
    if (!output || json_array_append_new(json_object_get(recorder->node, "outputs"), output) < 0)
        recorder->failed = true;
}

static void flush_stream(struct wr_recorder *recorder)
{
    if (recorder->stream.len == 0)
        return;
    add_output(recorder,
               json_pack("{s:s, s:s, s:o}", "name", recorder->stream_to, "output_type", "stream",
                         "text", lines_of(wr_buf_ptr(&recorder->stream), recorder->stream.len)));
    wr_buf_clear(&recorder->stream);
}

static void add_text(struct wr_recorder *recorder, const char *stream,
                     const struct wr_cell_message *message)
{
    if (recorder->stream_to && !wr_streq(recorder->stream_to, stream))
        flush_stream(recorder);
    recorder->stream_to = stream;
    if (message->text_len + sizeof TRUNCATED_NOTE <= wr_buf_room(&recorder->stream)) {
        if (wr_buf_append(&recorder->stream, message->text, message->text_len) < 0)
            recorder->failed = true;
    } else if (wr_buf_room(&recorder->stream) >= sizeof TRUNCATED_NOTE) {
        /* The note fills it up: what follows finds no room either. */
        if (wr_buf_append_str(&recorder->stream, TRUNCATED_NOTE) < 0)
            recorder->failed = true;
        recorder->stream.max = recorder->stream.len;
    }
}

static const struct {
    const char *member, *mime;
    bool whole; /* base64 and JSON stay as they are */
} formats[] = {
    {"text", "text/plain", false},        {"html", "text/html", false},
    {"markdown", "text/markdown", false}, {"svg", "image/svg+xml", false},
    {"png", "image/png", true},           {"jpeg", "image/jpeg", true},
    {"pdf", "application/pdf", true},     {"latex", "text/latex", false},
    {"json", "application/json", true},   {"javascript", "application/javascript", false},
};

static int add_format(json_t *bundle, const char *mime, json_t *value, bool whole)
{
    if (whole || !json_is_string(value))
        return json_object_set(bundle, mime, value);
    return json_object_set_new(bundle, mime,
                               lines_of(json_string_value(value), json_string_length(value)));
}

static json_t *bundle_of(const json_t *message)
{
    json_t *bundle = json_object(), *value;
    const char *key;
    int failed = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(formats); i++) {
        value = json_object_get(message, formats[i].member);
        if (value && !json_is_null(value))
            failed |= add_format(bundle, formats[i].mime, value, formats[i].whole);
    }
    json_object_foreach(json_object_get(message, "extra"), key, value)
        /* Only types that end so may hold something else than text. */
        if (strchr(key, '/') && (json_is_string(value) || wr_ends_with(key, "+json")))
            failed |= add_format(bundle, key, value, wr_ends_with(key, "+json"));
    if (failed) {
        json_decref(bundle);
        bundle = NULL;
    }
    return bundle;
}

static void add_result(struct wr_recorder *recorder, const struct wr_cell_message *message)
{
    json_t *output = json_pack("{s:o, s:{}, s:s}", "data", bundle_of(message->json), "metadata",
                               "output_type", message->main ? "execute_result" : "display_data");

    flush_stream(recorder);
    if (output && message->main &&
        json_object_set_new(output, "execution_count", json_integer(recorder->count)) < 0)
        recorder->failed = true;
    add_output(recorder, output);
}

static void add_error(struct wr_recorder *recorder, const struct wr_cell_message *message)
{
    flush_stream(recorder);
    json_t *lines = lines_of(message->traceback, strlen(message->traceback));
    json_t *line;
    size_t i;

    /* Here without their line breaks. */
    json_array_foreach(lines, i, line) {
        size_t len = json_string_length(line);
        if (len > 0 && json_string_value(line)[len - 1] == '\n' &&
            json_array_set_new(lines, i, json_stringn(json_string_value(line), len - 1)) < 0)
            recorder->failed = true;
    }
    add_output(recorder, json_pack("{s:s, s:s, s:s, s:o}", "ename", message->name, "evalue",
                                   message->value, "output_type", "error", "traceback", lines));
}

void wr_recorder_begin(struct wr_recorder *recorder, size_t index)
{
    recorder->node = json_array_get(json_object_get(recorder->json, "cells"), index);
    recorder->count = 0;
    recorder->stream_to = NULL;
    wr_buf_done(&recorder->stream);
    wr_buf_init(&recorder->stream, STREAM_MAX);
}

void wr_recorder_message(struct wr_recorder *recorder, const struct wr_cell_message *message)
{
    if (!recorder->node)
        return;
    switch (message->kind) {
    case WR_CELL_COUNT:
        recorder->count = (json_int_t)message->count;
        if (json_object_set_new(recorder->node, "execution_count", json_integer(recorder->count)) <
            0)
            recorder->failed = true;
        break;
    case WR_CELL_STDOUT:
        add_text(recorder, "stdout", message);
        break;
    case WR_CELL_STDERR:
        add_text(recorder, "stderr", message);
        break;
    case WR_CELL_RESULT:
        add_result(recorder, message);
        break;
    case WR_CELL_ERROR:
        add_error(recorder, message);
        break;
    }
}

void wr_recorder_end(struct wr_recorder *recorder)
{
    if (recorder->node)
        flush_stream(recorder);
    recorder->node = NULL;
}

int wr_recorder_write(struct wr_recorder *recorder, const char *path, struct wr_error *err)
{
    wr_auto_free char *text = recorder->failed ? NULL : json_dumps(recorder->json, JSON_INDENT(1));
    wr_auto_free char *resolved = realpath(path, NULL);
    const char *target = resolved ? resolved : path;
    mode_t mode = DEFAULT_MODE;
    struct stat st;

    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "executed notebook");
    if (stat(target, &st) == 0) {
        /* It is replaced, which root can do to a device too. */
        if (!S_ISREG(st.st_mode))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "write %.160s: it is no regular file; name another one", path);
        mode = st.st_mode & 0777;
    }
    size_t len = strlen(text);
    text[len] = '\n'; /* in place of the NUL: the length is given below */
    int r = wr_file_replace(AT_FDCWD, target, text, len + 1, mode, WR_DURABLE);
    text[len] = '\0';
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "write %.160s", path) : 0;
}
