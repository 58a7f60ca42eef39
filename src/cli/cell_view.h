/* How cells and what they put out are shown: as text for people, or as one JSON object per event
 * for programs. Pictures are saved by both. */
#pragma once

#include "cli/cell_output.h"
#include "cli/cells.h"
#include "cli/picture_draw.h"

enum wr_cell_status {
    WR_CELL_OK = 0,
    WR_CELL_FAILED = 1, /* its code ended with an error */
    WR_CELL_SKIPPED = 2,
    WR_CELL_CUT = 3, /* interrupted, out of time, or the sandbox ended */
};

struct wr_cell_outcome {
    enum wr_cell_status status;
    int64_t count; /* 0: not known */
    uint64_t duration_us;
};

struct wr_cell_view;

struct wr_cell_view_ops {
    void (*begin)(struct wr_cell_view *view, const struct wr_cell *cell);
    void (*message)(struct wr_cell_view *view, const struct wr_cell_message *message);
    void (*end)(struct wr_cell_view *view, const struct wr_cell_outcome *outcome);
};

extern const struct wr_cell_view_ops wr_cell_view_text;
extern const struct wr_cell_view_ops wr_cell_view_json;

struct wr_cell_view {
    const struct wr_cell_view_ops *ops;
    struct wr_cell_output *output; /* borrowed */
    const char *dir, *stem;        /* of pictures' files; borrowed */
    enum wr_picture_protocol protocol;
    bool styled;   /* headers may have attributes of a terminal */
    bool headless; /* no headers: the REPL has prompts */
    /* of the running cell: */
    unsigned cell, pictures;
    bool failed;      /* a picture could not be saved: told on standard error at once */
    bool draw_failed; /* told once */
};

/* Saves each picture of a result and calls `fn`; returns how many there were. */
typedef void (*wr_picture_fn)(struct wr_cell_view *view, const struct wr_picture_format *format,
                              const struct wr_buf *bytes, const char *path, void *data);
unsigned wr_cell_view_pictures(struct wr_cell_view *view, const json_t *result, wr_picture_fn fn,
                               void *data);
/* A line on standard error, beginning with "warren: ". */
void wr_cell_view_warn(struct wr_cell_view *view, const char *text);
