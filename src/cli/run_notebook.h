/* `warren run` of a file that has cells: a notebook, or a program in the percent format. */
#pragma once

#include "cli/command.h"
#include "cli/sandbox_opts.h"

struct wr_notebook_values {
    const char *out, *save_as;
    uint64_t pictures; /* index in WR_PICTURE_CHOICES */
    bool cells, keep_going, save;
};

struct wr_notebook_run {
    const char *file;
    const char *lang; /* NULL: the file says it */
    const struct wr_sandbox_values *sandbox;
    const struct wr_opt_list *files; /* copied in first */
    const struct wr_notebook_values *values;
    uint64_t timeout_ms; /* of all cells together; 0: none */
    bool json, timing, keep;
};

/* Whether the file has cells by its name or by the options. */
bool wr_notebook_meant(const char *file, const struct wr_notebook_values *values);
/* INVALID_ARGUMENT when one of the options for notebooks was given, for a file that is none. */
int wr_notebook_refuse(const struct wr_notebook_values *values, struct wr_error *err) WR_MUST_CHECK;

/* The exit status: 0, 1 when a cell failed or a picture was not saved, 124 after timeout_ms, 128 +
 * signal; or -WR_E_*. */
int wr_notebook_run(const struct wr_invocation *in, const struct wr_notebook_run *run,
                    struct wr_error *err) WR_MUST_CHECK;
