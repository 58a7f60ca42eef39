/* Lines from a terminal with editing and history, by libedit. */
#pragma once

#include "cli/input_wait.h"

struct wr_line_editor;

/* `name`: of the history's file in the user's state directory (XDG_STATE_HOME/warren), made with
 * mode 0600; NULL: no history is kept. `wait` is borrowed. */
int wr_line_editor_new(const char *name, struct wr_input_wait *wait, struct wr_line_editor **ret,
                       struct wr_error *err) WR_MUST_CHECK;
/* Writes the history. Accepts NULL, returns NULL. */
struct wr_line_editor *wr_line_editor_free(struct wr_line_editor *editor);

enum wr_line_result {
    WR_LINE_END = 0,  /* Ctrl-D on an empty line */
    WR_LINE_READ = 1, /* a line */
    WR_LINE_INTERRUPT =
        2, /* the client was interrupted: Ctrl-C, or a signal that ends the command */
};

/* *ret: without its line break, valid until the next call. */
enum wr_line_result wr_line_editor_read(struct wr_line_editor *editor, const char *prompt,
                                        const char **ret);
