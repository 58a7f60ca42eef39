/** @file
 * Programs in a sandbox: run to their end, or followed while they run, with pipes or a terminal.
 */
#pragma once

#include "warren/sandbox.h"

WR_BEGIN_DECLS

struct wr_program;

/** Where output of a program comes from. */
enum wr_program_stream {
    WR_STDOUT = 1,
    WR_STDERR = 2,
    WR_TERMINAL = 3,
};
/** Called in the thread that waits for the program. Non-zero stops waiting: CANCELED. */
typedef int (*wr_program_output_fn)(enum wr_program_stream stream, const void *bytes, size_t len,
                                    void *data);

/** Borrowed during the call. Exactly one of `command` and `argv`. */
struct wr_program_opts {
    size_t struct_size;
    const char *command;     /**< a line for `/bin/bash -l -c`, as E2B's SDKs run it */
    const char *const *argv; /**< or a program and its arguments, without a shell */
    size_t argv_count;
    const char *const *envs; /**< "NAME=value" */
    size_t env_count;
    const char *cwd;     /**< NULL: the user's home */
    const char *user;    /**< NULL: "user"; or "root" */
    const void *input;   /**< its standard input, then end of file; NULL: nothing to read */
    size_t input_len;    /**< bytes of `input` */
    bool keep_input;     /**< standard input stays open for wr_program_write() */
    bool terminal;       /**< a pseudo-terminal instead of pipes */
    uint16_t cols;       /**< of the terminal; 0: 80 */
    uint16_t rows;       /**< of the terminal; 0: 24 */
    uint64_t timeout_ms; /**< then it is killed: DEADLINE_EXCEEDED; 0: 60,000 */
    uint64_t max_output; /**< bytes kept of each stream; 0: 16 MiB */
    wr_program_output_fn on_output; /**< NULL: none */
    void *on_output_data;
};

/**
 * Runs a program to its end. An exit status that is not 0 is no error of the call. *ret, the
 * caller's: {"exit_code": 0-255 (128 + signal), "signal": 0 or its number, "stdout": "",
 * "stderr": "", "stdout_dropped": bytes, "stderr_dropped": bytes, "time_ms"}. Bytes that are not
 * UTF-8 are replaced by U+FFFD in *ret; `on_output` gets them as they are. Thread-safe.
 */
WR_PUBLIC int wr_program_run(struct wr_sandbox *sandbox, const struct wr_program_opts *opts,
                             const struct wr_wait *wait, struct wr_value **ret,
                             struct wr_error *err);

/** Starts one and returns when it runs. The handle is for one thread at a time, except
 * wr_program_signal(). */
WR_PUBLIC int wr_program_start(struct wr_sandbox *sandbox, const struct wr_program_opts *opts,
                               const struct wr_wait *wait, struct wr_program **ret,
                               struct wr_error *err);
/** Waits for its end; output arrives meanwhile. *ret as of wr_program_run(). After
 * DEADLINE_EXCEEDED of `wait` it still runs and can be waited for again. */
WR_PUBLIC int wr_program_wait(struct wr_program *program, const struct wr_wait *wait,
                              struct wr_value **ret, struct wr_error *err);
/** To its standard input or terminal; returns when the sandbox took all of it. */
WR_PUBLIC int wr_program_write(struct wr_program *program, const void *bytes, size_t len,
                               const struct wr_wait *wait, struct wr_error *err);
/** End of its standard input. */
WR_PUBLIC int wr_program_close_input(struct wr_program *program, const struct wr_wait *wait,
                                     struct wr_error *err);
/** Of its terminal. FAILED_PRECONDITION when it has none. */
WR_PUBLIC int wr_program_resize(struct wr_program *program, uint16_t cols, uint16_t rows,
                                const struct wr_wait *wait, struct wr_error *err);
/** SIGTERM and SIGKILL are what E2B's protocol has; Warren takes SIGINT too. One that has ended is
 * no error. Thread-safe. */
WR_PUBLIC int wr_program_signal(struct wr_program *program, int signo, const struct wr_wait *wait,
                                struct wr_error *err);
/** Its number inside the sandbox. */
WR_PUBLIC uint32_t wr_program_pid(const struct wr_program *program);
/** Stops following it; the program goes on. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_program *wr_program_free(struct wr_program *program);

/** Those that run: an array of {"pid", "cmd", "args", ...}. Thread-safe. */
WR_PUBLIC int wr_program_list(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                              struct wr_value **ret, struct wr_error *err);

WR_END_DECLS
