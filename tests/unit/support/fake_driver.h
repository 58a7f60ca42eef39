/*
 * A driver of libwarren's client in memory, for tests of what is above it: sandboxes with ids,
 * files, and code that a function of the test answers. Thread-safe. Nothing in it sleeps: time
 * passes on a clock of the test, and a call that is held waits for the test or for its token.
 *
 *     struct fake_driver *driver = fake_driver_new();
 *     struct wr_client *client = fake_driver_client(driver);
 *     fake_driver_on_code(driver, answer, NULL);
 *     ...
 *     wr_client_free(client);
 *     fake_driver_free(driver);
 */
#pragma once

#include "client/driver.h"

struct fake_driver;

enum fake_op {
    FAKE_CHECK,
    FAKE_CREATE,
    FAKE_CONNECT,
    FAKE_KILL,
    FAKE_SET_TIMEOUT,
    FAKE_PAUSE,
    FAKE_RESUME,
    FAKE_FORK,
    FAKE_SNAPSHOT, /* also rollbacks */
    FAKE_INFO,
    FAKE_METRICS,
    FAKE_LIST,
    FAKE_CODE,
    FAKE_CONTEXT_CREATE,
    FAKE_CONTEXT_LIST,
    FAKE_CONTEXT_RESTART,
    FAKE_CONTEXT_REMOVE,
    FAKE_PROGRAM,
    FAKE_PROGRAM_LIST,
    FAKE_FILE_READ,
    FAKE_FILE_WRITE, /* also uploads */
    FAKE_FILE_OTHER,
    FAKE_VOLUME,
    FAKE_OP_COUNT
};

struct fake_driver *fake_driver_new(void);
/* All its clients must be gone. Returns NULL. */
struct fake_driver *fake_driver_free(struct fake_driver *driver);
/* A client over it, the caller's to free. Several are allowed. */
struct wr_client *fake_driver_client(struct fake_driver *driver);

/* ---- what it does ---- */

/* Called in the thread of the call, without a lock held: *ret and `err` as of wr_code_run(). What
 * it emits goes through opts->on_event (fake_code_emit()). */
typedef int (*fake_code_fn)(struct fake_driver *driver, const struct wr_call *call,
                            const struct wr_code_opts *opts, void *data, struct wr_value **ret,
                            struct wr_error *err);
void fake_driver_on_code(struct fake_driver *driver, fake_code_fn fn, void *data);
/* A result as wr_code_run() gives it. NULL: "", no result, no error ("Name" and "value"). */
struct wr_value *fake_code_result(const char *out, const char *errors, const char *result,
                                  const char *error_name, const char *error_value);
/* Tells opts->on_event of text; what that returns, 0 without it. */
int fake_code_emit(const struct wr_code_opts *opts, enum wr_code_event_kind kind, const char *text);

typedef int (*fake_program_fn)(struct fake_driver *driver, const struct wr_call *call,
                               const struct wr_program_opts *opts, void *data,
                               struct wr_value **ret, struct wr_error *err);
/* Without it programs end at once, with status 0 and without output. */
void fake_driver_on_program(struct fake_driver *driver, fake_program_fn fn, void *data);
struct wr_value *fake_program_result(int exit_code, const char *out, const char *errors);

/* The calls number `first` to `first + count - 1` of that kind from now on (1: the next one) fail
 * with `code`. At most 16 rules at a time. */
void fake_driver_fail(struct fake_driver *driver, enum fake_op op, unsigned first, unsigned count,
                      enum wr_code code);
/* The same, with what a server says about when to come again. */
void fake_driver_fail_after(struct fake_driver *driver, enum fake_op op, unsigned first,
                            unsigned count, enum wr_code code, uint32_t retry_after_ms);
/* Calls of that kind take so long on the clock, and end with DEADLINE_EXCEEDED when their own time
 * is shorter. Without a clock they take no time. */
void fake_driver_latency(struct fake_driver *driver, enum fake_op op, uint64_t ms);
/* `pass` moves the clock on. With a clock, sandboxes end at their deadline. */
void fake_driver_clock(struct fake_driver *driver, uint64_t (*now_ms)(void *data),
                       void (*pass)(void *data, uint64_t ms), void *data);
/* Calls of that kind wait, after they were counted, until fake_driver_release() or their token. */
void fake_driver_hold(struct fake_driver *driver, enum fake_op op);
void fake_driver_release(struct fake_driver *driver, enum fake_op op);
/* Until `count` calls are held. */
void fake_driver_wait_held(struct fake_driver *driver, enum fake_op op, unsigned count);
/* No more than that many alive: RESOURCE_EXHAUSTED. 0: no limit. */
void fake_driver_max_alive(struct fake_driver *driver, unsigned max);

/* ---- what has happened ---- */

/* Calls of that kind, those that failed included. */
unsigned fake_driver_calls(struct fake_driver *driver, enum fake_op op);
/* The largest number of such calls at one time. */
unsigned fake_driver_peak(struct fake_driver *driver, enum fake_op op);
/* Sandboxes that are not killed, and the largest number there was. */
unsigned fake_driver_alive(struct fake_driver *driver);
unsigned fake_driver_peak_alive(struct fake_driver *driver);
bool fake_driver_is_alive(struct fake_driver *driver, const char *id);
/* As when its server loses it: calls into it are ABORTED. */
void fake_driver_lose(struct fake_driver *driver, const char *id);
/* All calls in order, a line each: "create code-interpreter-v1", "code <id> <code>",
 * "program <id> <command>", "write <id> <path>", ...; the caller's to free. */
char *fake_driver_log(struct fake_driver *driver);
/* A file of a sandbox, the caller's to free; NULL when there is none. */
char *fake_driver_file(struct fake_driver *driver, const char *id, const char *path);
/* {"template", "metadata": {}, "envs": {}, "no_internet", "timeout_s"} of a create, the caller's.
 */
struct wr_value *fake_driver_created_with(struct fake_driver *driver, const char *id);
/* Whether that sandbox is paused, until it is connected to or resumed. */
bool fake_driver_is_paused(struct fake_driver *driver, const char *id);
/* Snapshots that are not removed. */
unsigned fake_driver_snapshots(struct fake_driver *driver);
/* Volumes that are not removed. */
unsigned fake_driver_volumes(struct fake_driver *driver);
