/* A file that is said to be a notebook, or a program with cells. */
#include "base/str.h"
#include "cli/notebook.h"
#include "cli/percent_cells.h"
#include "cli/recorder.h"
#include "fuzz.h"
#include "json/jread.h"

static void check_cells(const struct wr_cells *cells)
{
    unsigned number = 0;

    for (size_t i = 0; i < cells->count; i++) {
        const struct wr_cell *cell = &cells->items[i];
        HOLDS(cell->source && strlen(cell->source) <= cell->source_len);
        HOLDS(cell->number == (cell->kind == WR_CELL_CODE ? ++number : 0));
    }
    HOLDS(number == cells->code_count);
}

/* A document that was read can be recorded into. */
static void check_recording(json_t *json, const struct wr_cells *cells)
{
    const struct wr_cell_message text = {.kind = WR_CELL_STDOUT, .text = "x\n", .text_len = 2};
    struct wr_recorder recorder;
    struct wr_error err = {0};

    HOLDS(wr_recorder_init(&recorder, json_incref(json), cells, &err) == 0);
    for (size_t i = 0; i < cells->count; i++) {
        if (cells->items[i].kind != WR_CELL_CODE)
            continue;
        wr_recorder_begin(&recorder, i);
        wr_recorder_message(&recorder, &text);
        wr_recorder_end(&recorder);
    }
    HOLDS(!recorder.failed);
    wr_recorder_done(&recorder);
}

static void as_notebook(const char *text, size_t len)
{
    wr_auto_json *json = NULL;
    struct wr_error err = {0};
    struct wr_cells cells;

    int r = wr_notebook_parse(text, len, &json, &err);
    HOLDS(r == 0 || r == -err.code);
    if (r < 0)
        return;
    r = wr_notebook_cells(json, NULL, &cells, &err);
    HOLDS(r == 0 || r == -err.code);
    if (r == 0) {
        check_cells(&cells);
        check_recording(json, &cells);
    }
    wr_cells_done(&cells);
}

static void as_program(const char *text, size_t len, const char *language)
{
    struct wr_error err = {0};
    struct wr_cells cells;

    int r = wr_percent_cells_read(text, len, wr_cell_language_find(language), &cells, &err);
    HOLDS(r == 0 || r == -err.code);
    if (r == 0) {
        wr_auto_json *json = wr_notebook_make(&cells);
        check_cells(&cells);
        HOLDS(json);
        check_recording(json, &cells);
    }
    wr_cells_done(&cells);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size ? (const char *)data : "";

    as_notebook(text, size);
    as_program(text, size, "python");
    as_program(text, size, "javascript");
    return 0;
}
