#include "cli/notebook.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "json/jread.h"

#define MAX_VALUES ((size_t)8 * 1024 * 1024)

int wr_notebook_parse(const char *text, size_t len, json_t **ret_json, struct wr_error *err)
{
    static const struct wr_json_limits limits = {
        .bytes = WR_CELLS_FILE_MAX, .values = MAX_VALUES, .allow_nul = true};
    wr_auto_json *json = NULL;

    int r = wr_json_parse_limited(text, len, &limits, &json, err);
    if (r < 0)
        return r;
    const json_t *major = json_object_get(json, "nbformat");
    if (!json_is_integer(major))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "this is no notebook: it has no nbformat");
    if (json_integer_value(major) != 4)
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0,
                       "the notebook's format is %lld; only 4 is understood: convert it with "
                       "`jupyter nbconvert --to notebook --nbformat 4`",
                       (long long)json_integer_value(major));
    if (!json_is_array(json_object_get(json, "cells")))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the notebook has no list of cells");
    *ret_json = wr_steal_ptr(&json);
    return 0;
}

/* A text, or a list of its lines. */
static int append_source(const json_t *source, struct wr_buf *out)
{
    const json_t *line;
    size_t i;

    if (json_is_string(source))
        return wr_buf_append(out, json_string_value(source), json_string_length(source));
    if (!json_is_array(source))
        return -EINVAL;
    json_array_foreach(source, i, line) {
        int r = json_is_string(line)
                    ? wr_buf_append(out, json_string_value(line), json_string_length(line))
                    : -EINVAL;
        if (r < 0)
            return r;
    }
    return 0;
}

static int read_cell(const json_t *node, struct wr_cells *cells, struct wr_error *err)
{
    static const struct {
        const char *name;
        enum wr_cell_kind kind;
    } kinds[] = {{"code", WR_CELL_CODE}, {"markdown", WR_CELL_MARKDOWN}, {"raw", WR_CELL_RAW}};
    const char *type = json_string_value(json_object_get(node, "cell_type"));
    wr_auto_buf source = WR_BUF(WR_CELLS_FILE_MAX);
    struct wr_cell *cell = NULL;
    const json_t *tag;
    size_t kind = 0, i;

    while (type && kind < WR_ARRAY_SIZE(kinds) && !wr_streq(type, kinds[kind].name))
        kind++;
    if (!type || kind == WR_ARRAY_SIZE(kinds))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "its type is none of code, markdown, raw");
    int r = append_source(json_object_get(node, "source"), &source);
    if (r == -EINVAL)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "its source is no text");
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "cells");
    r = wr_cells_add(cells, kinds[kind].kind, wr_buf_ptr(&source), source.len, &cell, err);
    if (r < 0)
        return r;
    json_array_foreach(json_object_get(json_object_get(node, "metadata"), "tags"), i, tag)
        if (json_is_string(tag))
            wr_cell_apply_tag(cell, json_string_value(tag));
    return 0;
}

/* The kernel's language says it best; of some notebooks only its name is known. */
static int find_language(const json_t *json, const struct wr_cell_language **ret,
                         struct wr_error *err)
{
    const json_t *metadata = json_object_get(json, "metadata");
    const json_t *kernel = json_object_get(metadata, "kernelspec");
    const json_t *info = json_object_get(metadata, "language_info");
    const char *const said[] = {
        json_string_value(json_object_get(kernel, "language")),
        json_string_value(json_object_get(info, "name")),
        json_string_value(json_object_get(kernel, "name")),
    };
    const char *unknown = NULL;

    for (size_t i = 0; i < WR_ARRAY_SIZE(said); i++) {
        *ret = said[i] ? wr_cell_language_find(said[i]) : NULL;
        if (*ret)
            return 0;
        if (said[i] && !unknown)
            unknown = said[i];
    }
    if (unknown)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the notebook's language \"%.40s\" is not one of python, javascript, "
                       "typescript, bash, r, java; --lang chooses one",
                       unknown);
    *ret = wr_cell_language_find("python");
    return 0;
}

int wr_notebook_cells(const json_t *json, const struct wr_cell_language *language,
                      struct wr_cells *cells, struct wr_error *err)
{
    const json_t *node;
    size_t i;

    *cells = (struct wr_cells){.language = language};
    if (!language) {
        int r = find_language(json, &cells->language, err);
        if (r < 0)
            return r;
    }
    json_array_foreach(json_object_get(json, "cells"), i, node) {
        int r = read_cell(node, cells, err);
        if (r < 0)
            return wr_wrap(err, "cell %zu of the notebook", i + 1);
    }
    return 0;
}

static json_t *make_cell(const struct wr_cell *cell)
{
    static const char *const types[] = {
        [WR_CELL_CODE] = "code", [WR_CELL_MARKDOWN] = "markdown", [WR_CELL_RAW] = "raw"};
    json_t *metadata = json_object();
    json_t *node = json_pack("{s:s, s:O, s:s%}", "cell_type", types[cell->kind], "metadata",
                             metadata, "source", cell->source, cell->source_len);

    if (cell->title && json_object_set_new(metadata, "title", json_string(cell->title)) < 0) {
        json_decref(node);
        node = NULL;
    }
    json_decref(metadata);
    return node;
}

json_t *wr_notebook_make(const struct wr_cells *cells)
{
    const struct wr_cell_language *language = cells->language;
    wr_auto_json *list = json_array();
    wr_auto_json *json =
        json_pack("{s:O?, s:{s:{s:s, s:s, s:s}}, s:i, s:i}", "cells", list, "metadata",
                  "kernelspec", "display_name", language->display, "language", language->name,
                  "name", language->kernel, "nbformat", 4, "nbformat_minor", 5);

    for (size_t i = 0; i < cells->count; i++)
        if (json_array_append_new(list, make_cell(&cells->items[i])) < 0)
            return NULL;
    return wr_steal_ptr(&json);
}
