#include "cli/cell_view.h"

#include "base/str.h"

#define MAX_PICTURE ((size_t)64 * 1024 * 1024)

void wr_cell_view_warn(struct wr_cell_view *view, const char *text)
{
    wr_cell_output_end_line(view->output);
    wr_cell_output_write(view->output, true, "warren: ", 8);
    wr_cell_output_write(view->output, true, text, strlen(text));
    wr_cell_output_write(view->output, true, "\n", 1);
}

unsigned wr_cell_view_pictures(struct wr_cell_view *view, const json_t *result, wr_picture_fn fn,
                               void *data)
{
    unsigned count = 0;

    for (const struct wr_picture_format *format = wr_picture_formats; format->member; format++) {
        wr_auto_buf bytes = WR_BUF(MAX_PICTURE);
        struct wr_error error = {0};
        char path[PATH_MAX];

        int r = wr_picture_read(format, result, &bytes, &error);
        if (r == 0)
            continue;
        const struct wr_picture_place place = {view->dir, view->stem, view->cell, ++view->pictures};
        if (r > 0)
            r = wr_picture_save(&place, format, &bytes, path, &error);
        count++;
        if (r < 0) {
            view->failed = true;
            wr_cell_view_warn(view, error.msg);
        } else {
            fn(view, format, &bytes, path, data);
        }
    }
    return count;
}
