/* Languages that cells can be written in, and their many names in notebooks. */
#pragma once

#include "base/error.h"

struct wr_cell_language {
    const char *name;    /* as the interpreter and --lang have it */
    const char *kernel;  /* of the kernelspec in a notebook that is made here */
    const char *display; /* likewise */
    const char *comment; /* that begins a percent marker */
    const char *prompt;  /* of the REPL */
};

/* NULL when no language has that name; the case does not matter. */
const struct wr_cell_language *wr_cell_language_find(const char *name);
/* By the extension of a file, or NULL. */
const struct wr_cell_language *wr_cell_language_of_file(const char *file);
/* For the option --lang: INVALID_ARGUMENT lists the choices. */
int wr_cell_language_choose(const char *name, const struct wr_cell_language **ret,
                            struct wr_error *err) WR_MUST_CHECK;
