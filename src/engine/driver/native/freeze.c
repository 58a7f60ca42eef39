#include "engine/driver/native/freeze.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/pageout.h"
#include "engine/driver/native/workdir.h"
#include "engine/job.h"
#include "log/log.h"

/* A page-out of a large sandbox to a slow disk; what it did not reach stays in memory. */
#define PAGE_OUT_TIMEOUT_MS 120000
#define RETRY_MS            1000

static int write_level(const struct wr_instance *instance, enum wr_level level,
                       struct wr_error *err)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    int rc = wr_kit_load_record(instance->kit, &spec, err);

    if (rc < 0)
        return rc;
    spec.level = level;
    spec.pause_reason[0] = '\0';
    if (level == WR_LEVEL_RUNNING)
        spec.paused_ms = 0;
    else if (spec.paused_ms == 0)
        spec.paused_ms = wr_wall_ms();
    return wr_kit_save_record(instance->driver, instance->kit, &spec, err);
}

int wr_instance_note_reason(struct wr_instance *instance, const char *reason, struct wr_error *err)
{
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};
    int rc = wr_kit_load_record(instance->kit, &spec, err);

    if (rc < 0)
        return rc;
    if (!wr_strcopy(spec.pause_reason, sizeof(spec.pause_reason), reason))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a reason of more than %d bytes",
                       WR_SPEC_MAX_REASON);
    return wr_kit_save_record(instance->driver, instance->kit, &spec, err);
}

int wr_freeze_group(struct wr_cgroup *cgroup, struct wr_error *err)
{
    int rc = wr_cgroup_freeze(cgroup, true, err);

    return rc == -WR_E_UNAVAILABLE ? 0 : rc;
}

/* The record is written while the processes stand still, both ways: an engine that dies in between
 * leaves a sandbox whose pause nobody was told of, and which the next one thaws. */
static int freeze(struct wr_instance *instance, struct wr_error *err)
{
    struct wr_error ignored;
    wr_timer_stop(&instance->deadline); /* of a record that was late */
    int rc = wr_freeze_group(instance->kit->cgroup, err);

    if (rc == 0)
        rc = write_level(instance, WR_LEVEL_FROZEN, err);
    if (rc < 0)
        (void)!wr_cgroup_freeze(instance->kit->cgroup, false, &ignored);
    return rc;
}

static void on_retry(struct wr_timer *timer, void *data);

/* A full volume, perhaps with the sandbox's own half-made image: that is no reason to let it stand
 * still. Until the record is right, an engine that starts would find it paused. */
static void write_running(struct wr_instance *instance)
{
    struct wr_error err;
    static struct wr_log_limit limit;

    if (write_level(instance, WR_LEVEL_RUNNING, &err) == 0)
        return;
    wr_log_limited(&limit, WR_LOG_WARN, err.msg, "sandbox", instance->kit->id, NULL);
    if (wr_timer_start(instance->driver->loop, &instance->deadline, RETRY_MS, on_retry, instance,
                       &err) < 0)
        wr_log(WR_LOG_ERROR, err.msg, NULL);
}

static void on_retry(struct wr_timer *timer, void *data)
{
    (void)timer;
    write_running(data);
}

static int thaw(struct wr_instance *instance, struct wr_error *err)
{
    int rc = wr_cgroup_set_swap(instance->kit->cgroup, 0, err);

    if (rc < 0)
        return rc;
    write_running(instance);
    return wr_cgroup_freeze(instance->kit->cgroup, false, err);
}

int wr_instance_freeze(struct wr_instance *instance, bool frozen, struct wr_error *err)
{
    if (instance->state != WR_INSTANCE_RUNNING || instance->saving)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "sandbox %s is not in a state to be %s now",
                       instance->kit->id, frozen ? "frozen" : "thawed");
    return frozen ? freeze(instance, err) : thaw(instance, err);
}

/* ---- Page-out ---- */

static bool has_swap(void)
{
    wr_auto_buf text = WR_BUF(16384);
    const char *swaps =
        wr_file_read(AT_FDCWD, "/proc/swaps", &text) == 0 ? wr_buf_cstr(&text) : NULL;
    const char *line = swaps ? strchr(swaps, '\n') : NULL; /* behind the heading */

    return line && line[1];
}

static bool work_name(const struct wr_instance *instance, char out[static WR_ID_LEN + 8])
{
    return wr_strformat(out, WR_ID_LEN + 8, "%s.page", instance->kit->id);
}

static int run(const void *arg, void *result, struct wr_error *err)
{
    return wr_page_out(arg, result, err);
}

static void on_done(void *data, const void *result, const struct wr_error *error)
{
    struct wr_instance *instance = data;
    char name[WR_ID_LEN + 8], text[24];

    instance->paging = NULL;
    if (work_name(instance, name))
        wr_workdir_remove(instance->driver, name);
    if (error)
        wr_log(WR_LOG_WARN, error->msg, "sandbox", instance->kit->id, NULL);
    else if (wr_strformat(text, sizeof(text), "%llu",
                          (unsigned long long)*(const uint64_t *)result))
        wr_log(WR_LOG_INFO, "paged out", "sandbox", instance->kit->id, "bytes", text, NULL);
}

static int start_paging(struct wr_instance *instance, struct wr_error *err)
{
    char name[WR_ID_LEN + 8];
    wr_auto_close int dir = -1;
    const int v2_dir = wr_cgroup_join(instance->kit->cgroup).v2_dir;

    if (!work_name(instance, name))
        return wr_fail(err, WR_E_INTERNAL, 0, "name a page-out");
    int rc = wr_workdir_make(instance->driver, name, &dir, err);
    if (rc < 0)
        return rc;
    return wr_job_start(instance->driver->loop,
                        &(struct wr_job_spec){.run = run,
                                              .arg = instance->kit,
                                              .result_size = sizeof(uint64_t),
                                              .fds = &v2_dir,
                                              .fd_count = 1,
                                              .lock_fd = dir,
                                              .name = "wr-pageout",
                                              .done = on_done,
                                              .data = instance,
                                              .timeout_ms = PAGE_OUT_TIMEOUT_MS},
                        &instance->paging, err);
}

void wr_paging_forget(struct wr_instance *instance)
{
    char name[WR_ID_LEN + 8];

    if (!instance->paging)
        return;
    instance->paging = wr_job_forget(instance->paging);
    if (work_name(instance, name))
        wr_workdir_remove(instance->driver, name);
}

int wr_instance_page_out(struct wr_instance *instance, struct wr_error *err)
{
    if (!has_swap())
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the host has no swap to page out to: see swapon(8)");
    if (instance->state != WR_INSTANCE_RUNNING || instance->saving)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "sandbox %s is not in a state to be paged out now",
                       instance->kit->id);
    int rc = wr_cgroup_set_swap(instance->kit->cgroup, instance->kit->limits.memory_max_bytes, err);
    if (rc == 0 && !instance->paging)
        rc = start_paging(instance, err);
    return rc ? rc : write_level(instance, WR_LEVEL_PAGED, err);
}
