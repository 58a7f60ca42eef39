/** @file
 * CodeExecutionPrimitive: runs code in a sandbox and tells what happened.
 *
 * Input, an object; only `code` is needed:
 *
 *     code      text
 *     language  "python"
 *     timeout   seconds, a number above 0; the executor's otherwise
 *     files     {path: text}, or {path: {"base64": text}}, written before the code runs
 *     install   [name of a Python package], installed before
 *     env       {NAME: text}, for this execution
 *
 * `timeout_seconds` and `env_vars` are taken as other names of `timeout` and `env`; any other
 * member is refused. The code also has TRACEPARENT and TRACESTATE of the workflow (unless its own
 * `env` has a TRACEPARENT) and WARREN_CORRELATION_ID in its environment.
 *
 * Output, an object:
 *
 *     success            whether the code ended without an error
 *     logs               its output, both streams as they came
 *     output             as `logs`, followed by the value of the last expression if it has one
 *     stdout, stderr     apart
 *     log_lines          ["[stdout] ...", "[stderr] ..."]
 *     truncated          whether output was longer than the executor's limit
 *     error              null, or "Class: message"
 *     error_name, error_value, traceback   null, or text
 *     results            rich results, an array of {format: text}
 *     execution_time_ms  of the code alone;  execution_time: the same in seconds
 *     sandbox_ms         what getting the sandbox, files and packages took
 *     sandbox_id         text
 *     language           text
 *     cached             false; true when it comes out of a cache
 *
 * An input that is wrong is INVALID_ARGUMENT; code that ran too long is DEADLINE_EXCEEDED, and it
 * has been stopped; everything else is a failure of the service. Code that fails by itself is no
 * error: `success` is false. sys.exit(n) with n != 0 fails with "SystemExit: n".
 */
#pragma once

#include "warren/primitive.h"
#include "warren/supply.h"

WR_BEGIN_DECLS

/** Which sandboxes an executor uses. */
enum wr_executor_mode {
    WR_EPHEMERAL = 0, /**< a sandbox for each execution */
    WR_SESSION = 1,   /**< one sandbox that remembers, replaced before its limit */
    WR_POOLED = 2,    /**< a clean sandbox out of a pool */
};

/** Options of wr_executor_new(). Borrowed during the call, what is needed later is copied. */
struct wr_executor_opts {
    size_t struct_size;
    enum wr_executor_mode mode; /**< which sandboxes it uses */
    struct wr_supply *supply;   /**< instead of `mode` and `supply_opts`; one more holder of it */
    const struct wr_supply_opts *supply_opts; /**< NULL: defaults */
    uint64_t timeout_ms;                      /**< of the code; 0: 30,000 */
    uint64_t install_timeout_ms;              /**< 0: 120,000 */
    size_t max_output;    /**< characters of each text of the output; 0: 10,000 */
    bool no_install;      /**< `install` is refused, and pip in the code finds no index */
    const char *language; /**< NULL: "python" */
    struct wr_value *env; /**< {NAME: text} for each execution; held; or NULL */
    /** Where to write down what was used and how it went, a file (see ledger.h); NULL: nowhere */
    const char *ledger_path;
};

/** `client` NULL: wr_client_new() with defaults; else one more holder of it. */
WR_PUBLIC struct wr_primitive *wr_executor_new(struct wr_client *client,
                                               const struct wr_executor_opts *opts,
                                               struct wr_error *err);

/** wr_primitive_execute() with {"code": code}, for any primitive that takes that. */
WR_PUBLIC int wr_execute_code(struct wr_primitive *primitive, const char *code,
                              struct wr_workflow *workflow, struct wr_value **ret,
                              struct wr_error *err);

WR_END_DECLS
