#include "engine/driver/native/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/workdir.h"
#include "engine/snapshot/selftest.h"
#include "log/log.h"

/* The first sandboxes start before it. */
#define BEGIN_MS   300
#define TIMEOUT_MS 300000
/* A host that was too busy is not for ever; and one gets what it lacked: `warren criu install`. */
#define RETRY_MS   15000
#define WORK_NAME  "selftest"

int wr_native_checkpoint_init(struct wr_native_checkpoint *checkpoint, const char *criu,
                              struct wr_error *err)
{
    *checkpoint = (struct wr_native_checkpoint){.state = WR_CHECKPOINT_UNTESTED};
    checkpoint->wanted = criu ? wr_strdup(criu) : NULL;
    return criu && !checkpoint->wanted
               ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open the native driver")
               : 0;
}

void wr_native_checkpoint_done(struct wr_native_checkpoint *checkpoint)
{
    wr_timer_stop(&checkpoint->begin);
    checkpoint->job = wr_job_forget(checkpoint->job);
    wr_free_ptr(&checkpoint->wanted);
    checkpoint->wanted = NULL;
}

struct test {
    const struct wr_driver *driver;
    int scratch_fd;
};

static int run(const void *arg, void *result, struct wr_error *err)
{
    const struct test *test = arg;
    struct wr_criu *criu = result;
    int rc = wr_criu_find(test->driver->checkpoint.wanted, criu, err);

    return rc ? rc : wr_checkpoint_selftest(criu, test->scratch_fd, err);
}

static void on_begin(struct wr_timer *timer, void *data);

static void give_up(struct wr_driver *driver, const struct wr_error *why)
{
    struct wr_native_checkpoint *c = &driver->checkpoint;
    char reason[sizeof(c->reason)];
    struct wr_error err;

    (void)!wr_strformat(reason, sizeof(reason), "%.190s", why->msg);
    if (c->state != WR_CHECKPOINT_NONE || !wr_streq(c->reason, reason))
        wr_log(WR_LOG_WARN,
               "sandboxes cannot be written to disk here: they are paused in memory only", "reason",
               why->msg, NULL);
    c->state = WR_CHECKPOINT_NONE;
    memcpy(c->reason, reason, sizeof(reason));
    if (wr_timer_start(driver->loop, &c->begin, RETRY_MS, on_begin, driver, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
}

static void on_done(void *data, const void *result, const struct wr_error *error)
{
    struct wr_driver *driver = data;
    struct wr_native_checkpoint *c = &driver->checkpoint;

    c->job = NULL;
    wr_workdir_remove(driver, WORK_NAME);
    if (error) {
        give_up(driver, error);
        return;
    }
    c->criu = *(const struct wr_criu *)result;
    c->state = WR_CHECKPOINT_WORKS;
    memcpy(driver->host.criu, c->criu.version, sizeof(driver->host.criu));
    wr_log(WR_LOG_INFO, "sandboxes can be written to disk", "criu", c->criu.path, "version",
           c->criu.version, NULL);
}

static void on_begin(struct wr_timer *timer, void *data)
{
    struct wr_driver *driver = data;
    struct wr_error err;
    wr_auto_close int dir = -1;

    (void)timer;
    int rc = wr_workdir_make(driver, WORK_NAME, &dir, &err);
    if (rc == 0) {
        const struct test test = {driver, dir};
        const int fds[] = {dir};
        rc = wr_job_start(driver->loop,
                          &(struct wr_job_spec){.run = run,
                                                .arg = &test,
                                                .result_size = sizeof(struct wr_criu),
                                                .fds = fds,
                                                .fd_count = WR_ARRAY_SIZE(fds),
                                                .lock_fd = dir,
                                                .name = "wr-selftest",
                                                .done = on_done,
                                                .data = driver,
                                                .timeout_ms = TIMEOUT_MS},
                          &driver->checkpoint.job, &err);
    }
    if (rc < 0)
        give_up(driver, &err);
}

/* Empty for each engine: another kernel, or other rights. Not for the self-test, which is in
 * namespaces of its own. */
static void make_facts(struct wr_driver *driver)
{
    char *path = driver->checkpoint.facts;

    if (wr_strformat(path, sizeof(driver->checkpoint.facts), "%s/criu", driver->run_dir) &&
        wr_remove_tree(AT_FDCWD, path) == 0 && mkdir(path, 0700) == 0)
        return;
    wr_log(WR_LOG_WARN, "criu looks at the kernel each time: no place for what it finds", NULL);
    path[0] = '\0';
}

void wr_native_checkpoint_start(struct wr_driver *driver)
{
    struct wr_error err;

    make_facts(driver);

    if (wr_timer_start(driver->loop, &driver->checkpoint.begin, BEGIN_MS, on_begin, driver, &err) <
        0)
        give_up(driver, &err);
}

void wr_native_checkpoint_state(struct wr_driver *driver, struct wr_checkpoint *ret)
{
    const struct wr_native_checkpoint *c = &driver->checkpoint;

    *ret = (struct wr_checkpoint){.state = c->state};
    memcpy(ret->version, c->criu.version, sizeof(ret->version));
    memcpy(ret->reason, c->reason, sizeof(ret->reason));
}

int wr_native_checkpoint_check(const struct wr_driver *driver, struct wr_error *err)
{
    const struct wr_native_checkpoint *c = &driver->checkpoint;

    if (c->state == WR_CHECKPOINT_NONE)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "sandboxes cannot be written to disk here: %s", c->reason);
    return 0;
}

int wr_native_checkpoint_criu(const struct wr_driver *driver, struct wr_criu *ret,
                              struct wr_error *err)
{
    const struct wr_native_checkpoint *c = &driver->checkpoint;

    struct wr_criu criu = c->criu;
    int rc = criu.path[0] ? 0 : wr_criu_find(c->wanted, &criu, err);

    if (rc < 0)
        return rc;
    memcpy(criu.facts, c->facts, sizeof(criu.facts));
    *ret = criu;
    return 0;
}
