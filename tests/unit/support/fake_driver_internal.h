/* Shared by the files of the fake driver. */
#pragma once

#include <jansson.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/list.h"
#include "support/fake_driver.h"

#define FAKE_RULES_MAX 16

struct fake_rule {
    enum fake_op op;
    unsigned first, last; /* by the count of calls */
    enum wr_code code;
    uint32_t retry_after_ms;
};

struct fake_file {
    struct wr_list link;
    char *path;
    char *bytes;
    size_t len;
    bool dir;
};

struct fake_sandbox {
    struct wr_list link;
    char id[WR_SANDBOX_ID_MAX];
    bool alive, paused;
    uint64_t end_ms;
    json_t *created_with;
    json_t *contexts; /* array */
    struct wr_list files;
};

struct fake_driver {
    struct wr_driver_ops ops;
    pthread_mutex_t lock;
    pthread_cond_t held_more;
    struct wr_list sandboxes;
    unsigned numbers; /* of ids */
    unsigned calls[FAKE_OP_COUNT], now[FAKE_OP_COUNT], peak[FAKE_OP_COUNT], held[FAKE_OP_COUNT];
    uint64_t latency_ms[FAKE_OP_COUNT];
    int gate[FAKE_OP_COUNT]; /* eventfd, readable: open; -1: never held */
    struct fake_rule rules[FAKE_RULES_MAX];
    unsigned alive, peak_alive, max_alive, volumes, snapshots;
    uint64_t (*now_ms)(void *data);
    void (*pass)(void *data, uint64_t ms);
    void *clock_data;
    fake_code_fn on_code;
    fake_program_fn on_program;
    void *code_data, *program_data;
    struct wr_buf log;
};

/* Counts the call, writes `detail` into the log, lets time pass, and fails as the test said. Each
 * is ended by fake_end(), also when it failed. The lock is held afterwards unless it failed. */
int fake_begin(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
               const char *detail, struct wr_error *err);
void fake_unlock(struct fake_driver *driver);
void fake_end(struct fake_driver *driver, enum fake_op op);
/* With the lock held: one that is alive, or ABORTED. */
int fake_sandbox_of(struct fake_driver *driver, const struct wr_call *call,
                    struct fake_sandbox **ret, struct wr_error *err);
/* fake_begin() of a call on one that must be alive, else NOT_FOUND. */
int fake_begin_known(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                     struct fake_sandbox **ret, struct wr_error *err);
/* With the lock held: a new one. */
struct fake_sandbox *fake_sandbox_new(struct fake_driver *driver,
                                      const struct wr_sandbox_opts *opts);
void fake_driver_expire(struct fake_driver *driver);
struct fake_sandbox *fake_sandbox_find(struct fake_driver *driver, const char *id);
void fake_file_free(struct fake_file *file);

/* What the files besides fake_driver.c add to the table. */
void fake_driver_ops_inside(struct wr_driver_ops *ops);
void fake_driver_ops_files(struct wr_driver_ops *ops);
void fake_driver_ops_saved(struct wr_driver_ops *ops);
void fake_driver_ops_volumes(struct wr_driver_ops *ops);
