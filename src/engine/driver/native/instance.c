#include "engine/driver/native/instance.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "engine/driver/native/freeze.h"
#include "engine/driver/native/hibernate.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/restore.h"
#include "engine/driver/native/shares.h"
#include "engine/job.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "template/template_id.h"

#define START_TIMEOUT_MS 20000
#define KILL_TIMEOUT_MS  60000 /* freeing the memory of a large sandbox takes seconds */

void wr_instance_release(struct wr_instance *instance)
{
    struct wr_driver *driver = instance->driver;

    wr_paging_forget(instance);
    struct wr_kit *kit = wr_steal_ptr(&instance->kit);
    wr_instance_detach(instance);
    wr_leftovers_add(driver, kit);
    wr_leftovers_collect(driver); /* it may have been the last of a nest that only waits for that */
}

/* The outcome of a start is known. */
static void start_is_over(struct wr_instance *instance)
{
    if (!instance->starting)
        return;
    instance->starting = false;
    instance->driver->starting--;
    wr_native_refill(instance->driver);
}

void wr_instance_detach(struct wr_instance *instance)
{
    start_is_over(instance);
    if (instance->nest)
        wr_nest_link_forget(instance->nest, instance);
    wr_list_remove(&instance->link);
    wr_source_remove(&instance->exit_source);
    wr_source_remove(&instance->status_source);
    wr_timer_stop(&instance->deadline);
    wr_close(instance->pidfd);
    wr_close(instance->ns_fd);
    wr_close(instance->status_fd);
    instance->restore = wr_restore_free(instance->restore);
    instance->saving = wr_saving_free(instance->saving);
    instance->paging = wr_job_forget(instance->paging);
    if (instance->kit) {
        wr_close(instance->kit->overlay_fd);
        wr_close(instance->kit->upper_fd);
        wr_cgroup_free(instance->kit->cgroup);
        free(instance->kit);
    }
    free(instance);
}

/* The pidfd comes from the nest and is only watched: a nest that was taken over could pass the
 * engine's own. */
static void on_kill_deadline(struct wr_timer *timer, void *data);
static void on_process_exit(struct wr_source *source, uint32_t events, void *data);

void wr_instance_end(struct wr_instance *instance)
{
    struct wr_error err;

    if (wr_cgroup_kill(instance->kit->cgroup, &err) < 0 ||
        wr_timer_start(instance->driver->loop, &instance->deadline, KILL_TIMEOUT_MS,
                       on_kill_deadline, instance, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, "sandbox", instance->kit->id, NULL);
}

void wr_instance_fail_start(struct wr_instance *instance, const struct wr_error *error)
{
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;
    struct wr_error copy = *error;

    (void)wr_volume_explain(driver->volume, &copy);
    wr_instance_release(instance);
    driver->callbacks.on_started(owner, &copy);
}

static enum wr_gone_reason why_gone(const struct wr_instance *instance)
{
    struct wr_cgroup_stats stats;
    struct wr_error err;

    if (instance->reason != WR_GONE_EXITED)
        return instance->reason;
    if (wr_cgroup_stats(instance->kit->cgroup, &stats, &err) == 0 && stats.oom_kills > 0)
        return WR_GONE_OOM;
    return WR_GONE_EXITED;
}

/* What the first process wrote. 0, -EAGAIN when it has not yet, -EIO when it never will. */
static int read_status(const struct wr_instance *instance, struct wr_error *ret)
{
    struct wr_error status;
    ssize_t len = read(instance->status_fd, &status, sizeof(status));

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return -EAGAIN;
    if (len != (ssize_t)sizeof(status))
        return -EIO;
    (void)wr_error_received(&status);
    *ret = status;
    return 0;
}

void wr_instance_gone(struct wr_instance *instance)
{
    struct wr_driver *driver = instance->driver;
    void *owner = instance->owner;
    enum wr_gone_reason reason = why_gone(instance);

    wr_instance_release(instance);
    if (owner)
        driver->callbacks.on_gone(owner, reason);
}

bool wr_instance_lives(struct wr_instance *instance)
{
    struct pollfd end = {.fd = instance->pidfd, .events = POLLIN};

    /* The loop may not know it yet. */
    if (!instance->exited && poll(&end, 1, 0) > 0) {
        instance->exited = true;
        wr_source_remove(&instance->exit_source);
    }
    return !instance->exited && !instance->kill_wanted;
}

void wr_instance_saving_over(struct wr_instance *instance)
{
    if (instance->kill_wanted) {
        instance->kill_wanted = false;
        instance->reason = WR_GONE_KILLED;
        if (!instance->exited) {
            instance->state = WR_INSTANCE_DYING;
            wr_instance_end(instance);
        }
    }
    if (instance->exited)
        wr_instance_gone(instance);
}

/* PID 1 ended; with it the kernel has ended every process of the sandbox. */
static void on_process_exit(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_instance *instance = data;

    (void)source;
    (void)events;
    if (instance->state == WR_INSTANCE_LEAVING) {
        wr_hibernation_end(instance);
        return;
    }
    if (instance->saving) { /* what it has is still being read */
        instance->exited = true;
        wr_source_remove(&instance->exit_source);
        return;
    }
    if (instance->start_error.code) {
        wr_instance_fail_start(instance, &instance->start_error);
        return;
    }
    if (instance->state == WR_INSTANCE_BOOTING) {
        struct wr_error error;
        /* Both descriptors may be ready in one round; the status pipe knows why. */
        if (read_status(instance, &error) != 0 || error.code == 0)
            (void)wr_fail(&error, WR_E_INTERNAL, 0,
                          "the sandbox's first process ended while it started");
        wr_instance_fail_start(instance, &error);
        return;
    }
    wr_instance_gone(instance);
}

/* A killed sandbox that does not end has processes outside its group, or a pidfd that is not its
 * own: the nest is to blame. */
static void on_kill_deadline(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;

    (void)timer;
    wr_log(WR_LOG_ERROR, "a killed sandbox does not end; its nest is ended", "sandbox",
           instance->kit->id, NULL);
    if (instance->nest)
        wr_nest_link_end(instance->nest, "a nest keeps a killed sandbox alive");
    on_process_exit(&instance->exit_source, 0, instance);
}

/* The start failed but a process exists: the answer waits for its end, so that nothing is left
 * behind when it is given. */
static void abort_start(struct wr_instance *instance, const struct wr_error *error)
{
    wr_source_remove(&instance->status_source);
    instance->start_error = *error;
    instance->state = WR_INSTANCE_DYING;
    wr_instance_end(instance);
}

void wr_instance_started(struct wr_instance *instance)
{
    struct wr_restore *restore = wr_steal_ptr(&instance->restore);

    struct wr_driver *driver = instance->driver;

    wr_timer_stop(&instance->deadline);
    instance->state = WR_INSTANCE_RUNNING;
    instance->kit->has_upper = true;
    start_is_over(instance);
    wr_restore_runs(restore);
    driver->callbacks.on_started(instance->owner, NULL);
    wr_restore_started(driver, restore); /* after the answer: it waits for the disk */
}

static void on_status(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_instance *instance = data;
    struct wr_error status;

    (void)source;
    (void)events;
    int rc = read_status(instance, &status);
    if (rc == -EAGAIN)
        return;
    if (rc < 0)
        (void)wr_fail(&status, WR_E_INTERNAL, 0,
                      "the sandbox's first process died while it started");
    if (status.code) {
        abort_start(instance, &status);
        return;
    }
    wr_source_remove(&instance->status_source);
    instance->status_fd = wr_close(instance->status_fd);
    wr_instance_started(instance);
}

static void on_deadline(struct wr_timer *timer, void *data)
{
    struct wr_instance *instance = data;
    struct wr_error error;

    (void)timer;
    (void)wr_fail(&error, WR_E_DEADLINE_EXCEEDED, 0, "the sandbox did not start within %d s",
                  START_TIMEOUT_MS / 1000);
    if (instance->state == WR_INSTANCE_SPAWNING)
        wr_instance_fail_start(instance, &error);
    else
        abort_start(instance, &error);
}

int wr_instance_watch(struct wr_instance *instance, struct wr_error *err)
{
    return wr_source_add(instance->driver->loop, &instance->exit_source, instance->pidfd, EPOLLIN,
                         on_process_exit, instance, err);
}

/*
 * What the nest passed must be a network namespace, and not the host's: a pidfd of a host process
 * would do for setns() too, and the server would then connect to services of the host.
 */
int wr_instance_check_netns(int fd, struct wr_error *err)
{
    struct stat theirs, ours;

    if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &theirs) < 0 ||
        stat("/proc/self/ns/net", &ours) < 0 ||
        (theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev))
        return wr_fail(err, WR_E_INTERNAL, 0,
                       "the nest passed something else than a sandbox's network namespace");
    return 0;
}

static void on_spawned(void *data, const struct wr_nest_sandbox *sandbox,
                       const struct wr_error *error)
{
    struct wr_instance *instance = data;
    struct wr_error err;

    if (error) {
        wr_instance_fail_start(instance, error);
        return;
    }
    instance->pidfd = sandbox->pidfd;
    instance->ns_fd = sandbox->ns_fd;
    instance->status_fd = sandbox->status_fd;
    instance->redirect = sandbox->redirect;
    instance->kit->overlay_fd = wr_close(instance->kit->overlay_fd);
    instance->state = WR_INSTANCE_BOOTING;
    int rc = wr_fd_set_nonblock(instance->status_fd, true);
    rc = rc < 0 ? wr_fail(&err, WR_E_INTERNAL, -rc, "prepare the status pipe")
                : wr_instance_check_netns(instance->ns_fd, &err);
    if (rc == 0)
        rc = wr_instance_watch(instance, &err);
    if (rc == 0)
        rc = wr_source_add(instance->driver->loop, &instance->status_source, instance->status_fd,
                           EPOLLIN, on_status, instance, &err);
    if (rc < 0) {
        wr_instance_end(instance);
        wr_instance_fail_start(instance, &err);
    }
}

static char *agent_config(const struct wr_native_template *t, const struct wr_spec *spec,
                          struct wr_error *err)
{
    json_error_t json_error;
    char template_id[WR_TEMPLATE_ID_LEN + 1];

    wr_template_id(t->t.name, template_id);
    json_t *env = json_loads(t->t.env_json, JSON_REJECT_DUPLICATES, &json_error);
    json_t *config =
        env ? json_pack("{s:s, s:s, s:s, s:s, s:o, s:I}", "sandboxId", spec->id, "template",
                        template_id, "user", t->t.user, "workdir", t->t.workdir, "env", env,
                        "cpuMillis", (json_int_t)spec->cpu_millis)
            : NULL;
    char *text = NULL;

    if (config && (!spec->blank || json_object_set_new(config, "blank", json_true()) == 0) &&
        (!spec->content || json_object_set_new(config, "volumeContent", json_true()) == 0) &&
        json_object_update(json_object_get(config, "env"), spec->env) == 0 &&
        (!spec->access_token[0] ||
         json_object_set_new(config, "accessToken", json_string(spec->access_token)) == 0) &&
        (!spec->control_token[0] ||
         json_object_set_new(config, "controlToken", json_string(spec->control_token)) == 0))
        text = json_dumps(config, JSON_COMPACT);
    if (config)
        json_decref(config);
    else if (env)
        json_decref(env);
    if (!text)
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "write the agent's configuration");
    return text;
}

/* It has the sandbox's variables and its token. */
static void wipe_config(char **config)
{
    if (*config)
        explicit_bzero(*config, strlen(*config));
    free(*config);
}

static struct wr_instance *alloc(struct wr_driver *driver, struct wr_kit *kit)
{
    struct wr_instance *instance = wr_calloc(1, sizeof(*instance));

    if (!instance)
        return NULL;
    instance->driver = driver;
    instance->kit = kit;
    instance->pidfd = instance->ns_fd = instance->status_fd = -1;
    wr_list_append(&driver->instances, &instance->link);
    return instance;
}

struct wr_instance *wr_instance_new(struct wr_driver *driver, struct wr_kit *kit, void *owner)
{
    struct wr_instance *instance = alloc(driver, kit);

    if (!instance) {
        wr_leftovers_add(driver, kit);
        return NULL;
    }
    instance->owner = owner;
    instance->starting = true;
    driver->starting++;
    return instance;
}

static int spawn(struct wr_instance *instance, const struct wr_native_template *t,
                 const struct wr_spec *spec, uint64_t layers_id, struct wr_error *err)
{
    WR_CLEANUP(wipe_config) char *config = agent_config(t, spec, err);
    WR_CLEANUP(wr_share_mounts_close) struct wr_share_mounts mounts = {.count = 0};
    int rc = config ? wr_timer_start(t->driver->loop, &instance->deadline, START_TIMEOUT_MS,
                                     on_deadline, instance, err)
                    : -err->code;

    if (rc == 0)
        rc = wr_share_mounts_make(t->driver, instance->kit, spec, &mounts, err);
    if (rc == 0)
        rc = wr_nest_link_spawn(t->nest,
                                &(struct wr_nest_spawn){.kit = instance->kit,
                                                        .spec = spec,
                                                        .config = config,
                                                        .share_fds = mounts.fds,
                                                        .layers_id = layers_id},
                                on_spawned, instance, err);
    return rc;
}

int wr_instance_start(struct wr_native_template *t, struct wr_instance *instance,
                      const struct wr_spec *spec, uint64_t layers_id, struct wr_error *err)
{
    instance->nest = t->nest;
    if (spec->blank)
        instance->manifest_version = t->manifest_version
                                         ? t->manifest_version
                                         : wr_native_manifest_version(t->driver, t->t.name);
    int rc = spawn(instance, t, spec, layers_id, err);
    /* The nest works meanwhile, so this costs the caller nothing. */
    return rc ? rc : wr_kit_save_record(t->driver, instance->kit, spec, err);
}

int wr_instance_assign(struct wr_instance *instance, const struct wr_spec *spec,
                       struct wr_error *err)
{
    uint64_t version = wr_native_manifest_version(instance->driver, spec->template_name);

    /* One that was adopted does not know of which it is. */
    if (version == 0 || version != instance->manifest_version)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "template %s has changed since sandbox %s was prepared", spec->template_name,
                       spec->id);
    int rc = wr_kit_apply(instance->driver, instance->kit, spec, err);
    return rc < 0 ? rc : wr_kit_save_record(instance->driver, instance->kit, spec, err);
}

int wr_instance_adopt(struct wr_driver *driver, struct wr_kit *kit,
                      const struct wr_nest_sandbox *sandbox, struct wr_instance **ret,
                      struct wr_error *err)
{
    struct wr_instance *instance = alloc(driver, kit);

    if (!instance)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "adopt a sandbox");
    instance->pidfd = sandbox->pidfd;
    instance->ns_fd = sandbox->ns_fd;
    instance->redirect = sandbox->redirect;
    instance->state = WR_INSTANCE_RUNNING;
    int rc = wr_instance_check_netns(instance->ns_fd, err);
    if (rc == 0)
        rc = wr_instance_watch(instance, err);
    if (rc < 0)
        wr_instance_detach(instance);
    else
        *ret = instance;
    return rc;
}

void wr_instances_forget_nest(struct wr_driver *driver, const struct wr_nest_link *nest)
{
    wr_list_foreach(it, &driver->instances) {
        struct wr_instance *instance = wr_list_entry(it, struct wr_instance, link);
        if (instance->nest == nest)
            instance->nest = NULL;
    }
}

void wr_instance_kill(struct wr_instance *instance)
{
    if (instance->saving) {
        instance->kill_wanted = true;
        return;
    }
    if (instance->state != WR_INSTANCE_RUNNING)
        return;
    instance->state = WR_INSTANCE_DYING;
    instance->reason = WR_GONE_KILLED;
    wr_instance_end(instance);
}
