/* Can sandboxes be written to disk here? Found out once, in the background, after an engine's
 * start.
 */
#pragma once

#include "engine/driver/driver.h"
#include "engine/job.h"
#include "engine/snapshot/criu.h"

struct wr_native_checkpoint {
    enum wr_checkpoint_state state;
    char reason[200];             /* of NONE */
    char *wanted;                 /* owned: the operator's program, or NULL */
    struct wr_criu criu;          /* path "": not known yet, or none */
    char facts[WR_CRIU_PATH_MAX]; /* as in there, once this engine has begun */
    struct wr_job *job;           /* the self-test */
    struct wr_timer begin;
};

int wr_native_checkpoint_init(struct wr_native_checkpoint *checkpoint, const char *criu,
                              struct wr_error *err) WR_MUST_CHECK;
void wr_native_checkpoint_done(struct wr_native_checkpoint *checkpoint);
/* Begins the self-test, a little later. */
void wr_native_checkpoint_start(struct wr_driver *driver);
/* See wr_driver_ops.checkpoint. */
void wr_native_checkpoint_state(struct wr_driver *driver, struct wr_checkpoint *ret);
/* FAILED_PRECONDITION when it is known that nothing can be dumped here. */
int wr_native_checkpoint_check(const struct wr_driver *driver, struct wr_error *err) WR_MUST_CHECK;
/* For jobs, because it may execute the program: the one to use. */
int wr_native_checkpoint_criu(const struct wr_driver *driver, struct wr_criu *ret,
                              struct wr_error *err) WR_MUST_CHECK;
