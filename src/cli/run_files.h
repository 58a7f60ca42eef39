/* `warren run` with options of primitives: each FILE is one execution of its code. */
#pragma once

#include "cli/primitive_opts.h"
#include "cli/sandbox_opts.h"

struct wr_run_files {
    const char *const *files;
    size_t count;
    const char *lang; /* NULL: by each file */
    const struct wr_primitive_values *values;
    const struct wr_sandbox_values *sandbox;
    const struct wr_opt_list *copied; /* HOST:PATH, for each of them */
    uint64_t timeout_ms;              /* of the code; 0: the executor's */
    bool json, timing;
};

/* The exit status: 0, 1 when code failed or one of several files could not be executed, 124 after
 * timeout_ms, 128 + signal; or -WR_E_*. */
int wr_run_files(const struct wr_invocation *in, const struct wr_run_files *run,
                 struct wr_error *err) WR_MUST_CHECK;
