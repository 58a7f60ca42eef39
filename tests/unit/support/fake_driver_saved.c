#include "base/error.h"
#include "base/str.h"
#include "client/persist_request.h"
#include "json/value.h"
#include "support/fake_driver_internal.h"

static int sandbox_pause(void *self, const struct wr_call *call, const struct wr_pause_opts *opts,
                         struct wr_value **ret, struct wr_error *err)
{
    const char *level = wr_sandbox_level_name(opts->level);
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin_known(self, FAKE_PAUSE, call, &sandbox, err);
    if (r == 0) {
        sandbox->paused = true;
        *ret = wr_value_of_json(json_pack("{s:s}", "level", level ? level : "hibernated"));
        fake_unlock(self);
    }
    fake_end(self, FAKE_PAUSE);
    return r;
}

static int sandbox_resume(void *self, const struct wr_call *call, const struct wr_resume_opts *opts,
                          struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    (void)opts;
    int r = fake_begin_known(self, FAKE_RESUME, call, &sandbox, err);
    if (r == 0) {
        sandbox->paused = false;
        fake_unlock(self);
    }
    fake_end(self, FAKE_RESUME);
    return r;
}

/* As many as there may be alive (fake_driver_max_alive()). */
static int sandbox_fork(void *self, const struct wr_call *call, const struct wr_fork_opts *opts,
                        struct wr_sandbox_access *ret, size_t *ret_made, struct wr_error *err)
{
    const struct wr_sandbox_opts like = {.template_name = "fork", .timeout_s = opts->timeout_s};
    struct fake_driver *driver = self;
    struct fake_sandbox *sandbox = NULL;
    size_t made = 0;

    int r = fake_begin_known(driver, FAKE_FORK, call, &sandbox, err);
    if (r == 0) {
        while (made < opts->count && (!driver->max_alive || driver->alive < driver->max_alive))
            memcpy(ret[made++].id, fake_sandbox_new(driver, &like)->id, sizeof ret->id);
        if (made < opts->count)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "there are %u sandboxes", driver->alive);
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_FORK);
    if (made == 0)
        return r;
    *ret_made = made;
    return 0;
}

static int sandbox_rollback(void *self, const struct wr_call *call, const char *snapshot_id,
                            uint64_t timeout_s, struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    (void)snapshot_id;
    (void)timeout_s;
    int r = fake_begin_known(self, FAKE_SNAPSHOT, call, &sandbox, err);
    if (r == 0) {
        sandbox->paused = false;
        fake_unlock(self);
    }
    fake_end(self, FAKE_SNAPSHOT);
    return r;
}

static int snapshot_create(void *self, const struct wr_call *call,
                           const struct wr_snapshot_opts *opts, struct wr_value **ret,
                           struct wr_error *err)
{
    struct fake_driver *driver = self;
    struct fake_sandbox *sandbox = NULL;
    char id[40];

    int r = fake_begin_known(driver, FAKE_SNAPSHOT, call, &sandbox, err);
    if (r == 0) {
        driver->snapshots++;
        (void)!wr_strformat(id, sizeof id, "snap%016u:default", ++driver->numbers);
        *ret = wr_value_of_json(
            opts->name ? json_pack("{s:s, s:[s]}", "snapshotID", id, "names", opts->name)
                       : json_pack("{s:s, s:[]}", "snapshotID", id, "names"));
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_SNAPSHOT);
    return r;
}

/* Only how many there are: what is in them is nobody's business here. */
static int answer(struct fake_driver *driver, const struct wr_call *call, const char *what,
                  json_t *value, struct wr_value **ret, struct wr_error *err)
{
    int r = fake_begin(driver, FAKE_SNAPSHOT, call, what, err);

    if (r == 0) {
        *ret = wr_value_of_json(value);
        fake_unlock(driver);
    } else {
        json_decref(value);
    }
    fake_end(driver, FAKE_SNAPSHOT);
    return r;
}

static int snapshot_list(void *self, const struct wr_call *call,
                         const struct wr_snapshot_list_opts *opts, struct wr_value **ret,
                         struct wr_error *err)
{
    (void)opts;
    return answer(self, call, "list", json_array(), ret, err);
}

static int snapshot_tree(void *self, const struct wr_call *call, const char *id,
                         struct wr_value **ret, struct wr_error *err)
{
    json_t *tree = json_pack("{s:[{s:s, s:s}]}", "nodes", "kind", "sandbox", "id", id);

    return answer(self, call, "tree", tree, ret, err);
}

static int snapshot_remove(void *self, const struct wr_call *call, const char *id,
                           struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_SNAPSHOT, call, id, err);
    if (r == 0) {
        driver->snapshots -= driver->snapshots > 0;
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_SNAPSHOT);
    return r;
}

bool fake_driver_is_paused(struct fake_driver *driver, const char *id)
{
    pthread_mutex_lock(&driver->lock);
    const struct fake_sandbox *sandbox = fake_sandbox_find(driver, id);
    bool paused = sandbox && sandbox->paused;
    pthread_mutex_unlock(&driver->lock);
    return paused;
}

unsigned fake_driver_snapshots(struct fake_driver *driver)
{
    pthread_mutex_lock(&driver->lock);
    unsigned snapshots = driver->snapshots;
    pthread_mutex_unlock(&driver->lock);
    return snapshots;
}

void fake_driver_ops_saved(struct wr_driver_ops *ops)
{
    ops->sandbox_pause = sandbox_pause;
    ops->sandbox_resume = sandbox_resume;
    ops->sandbox_fork = sandbox_fork;
    ops->sandbox_rollback = sandbox_rollback;
    ops->snapshot_create = snapshot_create;
    ops->snapshot_list = snapshot_list;
    ops->snapshot_tree = snapshot_tree;
    ops->snapshot_remove = snapshot_remove;
}
