/** @file
 * The ledger: what was used and how it went, in an SQLite file that processes share; and what
 * follows from it: usage and service level.
 *
 * The state directory is WARREN_STATE_DIR, else $XDG_STATE_HOME/warren, else ~/.local/state/warren.
 */
#pragma once

#include "warren/value.h"

WR_BEGIN_DECLS

struct wr_ledger;

/** `path` NULL: ledger.db in the state directory. Made 0600. Rows older than 400 days go.
 * Thread-safe.
 */
WR_PUBLIC struct wr_ledger *wr_ledger_open(const char *path, struct wr_error *err);
/** Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_ledger *wr_ledger_free(struct wr_ledger *ledger);

/** One execution, `time_ms` since 1970 when it ended. */
struct wr_ledger_entry {
    size_t struct_size;
    int64_t time_ms;           /**< when it ended, since 1970 */
    double create_ms;          /**< of getting a sandbox; negative: it was there already */
    double run_ms;             /**< of the code */
    double held_ms;            /**< how long a sandbox was held */
    int error_code;            /**< enum wr_code of the call; 0 */
    bool code_succeeded;       /**< whether the code ended without an error */
    const char *backend;       /**< wr_client_name() */
    const char *template_name; /**< NULL: not known */
    const char *language;      /**< NULL: not known */
};
/** Writes it down. */
WR_PUBLIC int wr_ledger_add(struct wr_ledger *ledger, const struct wr_ledger_entry *entry,
                            struct wr_error *err);

/** Of the last `period_s` seconds (0: 30 days): {"period_s", "executions", "succeeded", "failed",
 * "errors", "sandboxes", "sandbox_hours", "by_backend": {name: {...}}, "by_day": [{"day", ...}],
 * "by_error": {class: count}} */
WR_PUBLIC int wr_ledger_usage(struct wr_ledger *ledger, uint64_t period_s, struct wr_value **ret,
                              struct wr_error *err);

/** Targets of wr_ledger_slo(). */
struct wr_slo_opts {
    size_t struct_size;
    uint64_t period_s;    /**< 0: 30 days */
    double create_p95_ms; /**< 0: 200 */
    double success_rate;  /**< of executions without an error of the service; 0: 0.99 */
};
/** {"period_s", "executions", "create": {"p50_ms", "p95_ms", "p99_ms", "target_p95_ms", "met"},
 * "success": {"rate", "target", "met"}, "error_budget": {"allowed", "used", "remaining" 0-1},
 * "met": both}. Without executions `met` is null. */
WR_PUBLIC int wr_ledger_slo(struct wr_ledger *ledger, const struct wr_slo_opts *opts,
                            struct wr_value **ret, struct wr_error *err);

WR_END_DECLS
