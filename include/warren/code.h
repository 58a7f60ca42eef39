/** @file
 * Code in a sandbox's interpreter: cells that share the state of their context.
 *
 * Thread-safe; cells of one context run one after the other.
 */
#pragma once

#include "warren/sandbox.h"

WR_BEGIN_DECLS

/** Bytes of a context's id, its NUL included. */
#define WR_CONTEXT_ID_MAX 64

/** What an event of running code is. */
enum wr_code_event_kind {
    WR_CODE_STDOUT = 1, /**< `text` */
    WR_CODE_STDERR = 2, /**< `text` */
    WR_CODE_RESULT =
        3, /**< `value`: one member per format (text, html, png, ...), `is_main_result` */
    WR_CODE_ERROR = 4, /**< `value`: name, value, traceback */
};

/** Valid during the callback. */
struct wr_code_event {
    enum wr_code_event_kind kind; /**< says which of the others counts */
    const char *text;             /**< not NUL-terminated */
    size_t text_len;              /**< bytes of `text` */
    const struct wr_value *value; /**< NULL for text */
};
/** Called in the thread that runs the code. Non-zero gives the code up: CANCELED. */
typedef int (*wr_code_fn)(const struct wr_code_event *event, void *data);

/** Borrowed during the call. */
struct wr_code_opts {
    size_t struct_size;
    const char *code;        /**< of the cell */
    const char *language;    /**< NULL: "python". Not together with `context_id` */
    const char *context_id;  /**< NULL: the language's default context */
    const char *const *envs; /**< "NAME=value", during this cell */
    size_t env_count;
    uint64_t timeout_ms; /**< of the code; 0: none but the call's own (wr_wait) */
    uint64_t max_output; /**< bytes kept of each stream; 0: 16 MiB. The rest is dropped and
                            counted */
    wr_code_fn on_event; /**< NULL: none */
    void *on_event_data;
};

/**
 * Runs a cell to its end. An error of the code is no error of the call. *ret, the caller's:
 * {"stdout": "", "stderr": "", "output": both as they came, "results": [{...}],
 *  "error": null or {"name": "", "value": "", "traceback": ""}, "execution_count": n,
 *  "stdout_dropped": bytes, "stderr_dropped": bytes, "time_ms": of the cell, seen from here}
 *
 * DEADLINE_EXCEEDED after `timeout_ms`: the cell was interrupted inside the sandbox; its context is
 * alive unless the code does not let itself be interrupted. CANCELED in the same way. ABORTED when
 * the sandbox has ended, UNAVAILABLE when only the connection to it was lost, NOT_FOUND for a
 * context that does not exist. More than 10,000 results, or 256 MiB of them: OUT_OF_RANGE.
 */
WR_PUBLIC int wr_code_run(struct wr_sandbox *sandbox, const struct wr_code_opts *opts,
                          const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err);

/** A context of its own. `language` NULL: "python"; `cwd` NULL: the user's home. */
WR_PUBLIC int wr_code_context_create(struct wr_sandbox *sandbox, const char *language,
                                     const char *cwd, const struct wr_wait *wait,
                                     char ret_id[WR_CONTEXT_ID_MAX], struct wr_error *err);
/** An array of {"id", "language", "cwd"}. */
WR_PUBLIC int wr_code_context_list(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                                   struct wr_value **ret, struct wr_error *err);
/** Its state is new, its id the same. */
WR_PUBLIC int wr_code_context_restart(struct wr_sandbox *sandbox, const char *id,
                                      const struct wr_wait *wait, struct wr_error *err);
/** Ends it. NOT_FOUND. */
WR_PUBLIC int wr_code_context_remove(struct wr_sandbox *sandbox, const char *id,
                                     const struct wr_wait *wait, struct wr_error *err);

WR_END_DECLS
