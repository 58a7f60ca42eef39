/* A program that a handle follows. */
#pragma once

#include "client/kept_output.h"
#include "client/process.h"
#include "client/remote.h"

struct wr_remote_program {
    struct wr_remote_use use; /* its own, as long as it is followed */
    struct wr_sandbox_access access;
    char user[64]; /* "": default */
    struct wr_process *process;
    uint32_t pid; /* 0: it does not run yet */
    wr_program_output_fn on_output;
    void *on_output_data;
    struct wr_kept_output out, errors;
    char *input; /* what it was started with, owned; NULL when all of it was taken */
    size_t input_len, input_taken;
    bool close_input; /* behind that */
    bool writing;     /* a piece of input is under way */
    struct wr_error write_error;
    bool ended;
    struct wr_process_end end;
    struct wr_error error; /* how following it failed, or ended */
    uint64_t begin_us, end_us;
};

/* Until it has ended or can be followed no longer. */
int wr_remote_program_follow(struct wr_remote_program *program, struct wr_error *err) WR_MUST_CHECK;
/* Of one that has ended. */
int wr_remote_program_result(const struct wr_remote_program *program, struct wr_value **ret,
                             struct wr_error *err) WR_MUST_CHECK;
