#include "base/clock.h"
#include "engine/driver/fake_faults.h"
#include "engine/driver/fake_instance.h"
#include "engine/driver/fake_saved.h"

/* What is saved of a sandbox takes that, and with its memory: */
#define FILE_BYTES  4096
#define IMAGE_BYTES WR_MIB

static void on_kill(struct wr_timer *timer, void *data)
{
    (void)timer;
    wr_fake_end(data, WR_GONE_KILLED);
}

void wr_fake_kill(struct wr_instance *instance)
{
    struct wr_error err;

    instance->kill_wanted = true;
    if (instance->busy || wr_fake_hold(instance, on_kill))
        return;
    if (wr_timer_start(instance->driver->loop, &instance->timer, 0, on_kill, instance, &err) < 0)
        on_kill(&instance->timer, instance);
}

int wr_fake_freeze(struct wr_instance *instance, bool frozen, struct wr_error *err)
{
    const char *name = frozen ? WR_FAKE_FREEZE : WR_FAKE_THAW;

    return wr_fake_fail(wr_fake_fault(instance->spec.env, name), name, err);
}

int wr_fake_page_out(struct wr_instance *instance, struct wr_error *err)
{
    return wr_fake_fail(wr_fake_fault(instance->spec.env, WR_FAKE_PAGE_OUT), WR_FAKE_PAGE_OUT, err);
}

int wr_fake_note_reason(struct wr_instance *instance, const char *reason, struct wr_error *err)
{
    if (wr_strcopy(instance->spec.pause_reason, sizeof(instance->spec.pause_reason), reason))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a reason of more than %d bytes",
                   WR_SPEC_MAX_REASON);
}

static struct wr_saved what_is_saved(const struct wr_instance *instance, const char *id)
{
    struct wr_saved saved = {.spec = &instance->spec,
                             .memory = instance->memory,
                             .bytes = FILE_BYTES + (instance->memory ? IMAGE_BYTES : 0),
                             .created_ms = wr_wall_ms(),
                             .frozen_us = 1};

    memcpy(saved.id, id, sizeof(saved.id));
    return saved;
}

/* Saves it and says how that ended. */
static void on_hibernate(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;
    struct wr_error err;

    (void)timer;
    instance->busy = false;
    if (wr_fake_exits(instance->spec.env, WR_FAKE_HIBERNATE)) {
        wr_fake_end(instance, WR_GONE_OOM);
        return;
    }
    struct wr_saved saved = what_is_saved(instance, instance->spec.id);
    int rc = wr_fake_fail(instance->fault, WR_FAKE_HIBERNATE, &err);
    if (rc == 0)
        rc = wr_fake_saved_put(&driver->saved, &saved, true, &err);
    if (rc == 0) {
        saved.spec = &wr_fake_saved_find(&driver->saved, saved.id, true)->spec;
        wr_fake_drop(instance);
        driver->callbacks.on_hibernated(owner, &saved, NULL);
        return;
    }
    if (instance->kill_wanted)
        wr_fake_kill(instance);
    driver->callbacks.on_hibernated(owner, NULL, &err);
}

static void on_snapshot(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_driver *driver = instance->driver;
    const struct wr_saved saved = what_is_saved(instance, instance->snapshot);
    struct wr_error err;

    (void)timer;
    instance->busy = false;
    if (wr_fake_exits(instance->spec.env, WR_FAKE_SNAPSHOT)) {
        wr_fake_end(instance, WR_GONE_EXITED);
        return;
    }
    int rc = wr_fake_fail(instance->fault, WR_FAKE_SNAPSHOT, &err);
    if (rc == 0)
        rc = wr_fake_saved_put(&driver->saved, &saved, false, &err);
    if (instance->kill_wanted)
        wr_fake_kill(instance);
    driver->callbacks.on_snapshot(instance->owner, rc < 0 ? NULL : &saved, rc < 0 ? &err : NULL);
}

static int save(struct wr_instance *instance, bool memory, const char *fault_name, wr_timer_fn fn,
                struct wr_error *err)
{
    const int fault = wr_fake_fault(instance->spec.env, fault_name);

    if (fault < 0)
        return wr_fake_fail(fault, fault_name, err);
    int rc = wr_fake_later(instance, fn, err);
    if (rc < 0)
        return rc;
    instance->busy = true;
    instance->fault = fault;
    instance->memory = memory;
    return 0;
}

int wr_fake_hibernate(struct wr_instance *instance, bool memory, struct wr_error *err)
{
    if (wr_fake_saved_find(&instance->driver->saved, instance->spec.id, false))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a snapshot %s", instance->spec.id);
    return save(instance, memory, WR_FAKE_HIBERNATE, on_hibernate, err);
}

int wr_fake_snapshot(struct wr_instance *instance, const char *snapshot_id, bool memory,
                     struct wr_error *err)
{
    if (wr_fake_saved_find(&instance->driver->saved, snapshot_id, false))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a snapshot %s already", snapshot_id);
    int rc = save(instance, memory, WR_FAKE_SNAPSHOT, on_snapshot, err);
    if (rc == 0)
        memcpy(instance->snapshot, snapshot_id, sizeof(instance->snapshot));
    return rc;
}

int wr_fake_rebase(struct wr_driver *driver, const struct wr_spec *spec, const char *snapshot_id,
                   struct wr_saved *ret, struct wr_error *err)
{
    const struct wr_fake_saved *from = wr_fake_saved_find(&driver->saved, snapshot_id, false);

    if (!from)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no snapshot %s", snapshot_id);
    int rc = wr_fake_fail(wr_fake_fault(from->spec.env, WR_FAKE_REBASE), WR_FAKE_REBASE, err);
    if (rc < 0)
        return rc;
    struct wr_spec now = *spec; /* with what else the snapshot has */
    now.env = from->spec.env;
    struct wr_saved saved = from->saved;
    saved.spec = &now;
    memcpy(saved.id, spec->id, sizeof(saved.id));
    memcpy(saved.source, snapshot_id, sizeof(saved.source));
    rc = wr_fake_saved_put(&driver->saved, &saved, true, err);
    if (rc < 0)
        return rc;
    saved.spec = NULL;
    *ret = saved;
    return 0;
}
