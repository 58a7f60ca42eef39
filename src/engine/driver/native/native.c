#include "engine/driver/native/native.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/sha256.h"
#include "engine/driver/native/freeze.h"
#include "engine/driver/native/hibernate.h"
#include "engine/driver/native/instance.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/layers.h"
#include "engine/driver/native/leftovers.h"
#include "engine/driver/native/nest_link.h"
#include "engine/driver/native/nest_start.h"
#include "engine/driver/native/recover.h"
#include "engine/driver/native/restore.h"
#include "engine/driver/native/saved.h"
#include "engine/driver/native/shared_memory.h"
#include "engine/driver/native/shares.h"
#include "engine/isolate/device_layer.h"
#include "engine/isolate/seccomp.h"
#include "log/log.h"

#ifndef MFD_EXEC
#    define MFD_EXEC 0x0010U /* Linux 6.3; glibc 2.36 lacks it */
#endif

#define LOCK_ROUNDS   50
#define LOCK_RETRY_US 20000

static int take_lock(struct wr_driver *driver, struct wr_error *err)
{
    driver->lock_fd =
        openat(driver->data_dirfd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (driver->lock_fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open %s/lock", driver->data_dir);
    /* What a killed engine had forked (nest_start.c, userns.c, sys/tool.c) holds the lock a moment
     * longer. */
    for (int i = 0; i < LOCK_ROUNDS; i++) {
        if (flock(driver->lock_fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        usleep(LOCK_RETRY_US);
    }
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                   "another Warren uses %s; stop it, or give this one a --data-dir of its own",
                   driver->data_dir);
}

/*
 * Inotify instances and watches are counted for the creator of the outermost user namespace,
 * terminals for the host: all sandboxes and host root share these buckets. Each sandbox has a part
 * of its own of the terminals (nest/mount_table.c); what it has of the others
 * (nest/userns_limits.c) is for each of its 65,536 users. So for these the bucket has no bottom,
 * and the memory limit is the one that counts: the kernel charges each instance and watch to its
 * maker's control group.
 */
static void raise_shared_limits(void)
{
    static const struct {
        const char *path, *value;
    } rows[] = {
        {"/proc/sys/fs/inotify/max_user_instances", "2147483647"},
        {"/proc/sys/fs/inotify/max_user_watches", "2147483647"},
        {"/proc/sys/kernel/pty/max", "65536"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char text[32];
        ssize_t len = wr_file_read_line(AT_FDCWD, rows[i].path, text, sizeof(text));
        if (len <= 0 || strtol(text, NULL, 10) >= strtol(rows[i].value, NULL, 10))
            continue;
        if (wr_file_write_str(AT_FDCWD, rows[i].path, rows[i].value) == 0)
            wr_log(WR_LOG_INFO, "raised a limit that all sandboxes share", "setting", rows[i].path,
                   "from", text, NULL);
    }
}

/* Of a nest: twelve for each sandbox, of which there can be 4095. With less it takes fewer. */
#define OPEN_FILES (64 * 1024)

static void raise_open_files(void)
{
    const struct rlimit wanted = {OPEN_FILES, OPEN_FILES};
    struct rlimit now;

    if (getrlimit(RLIMIT_NOFILE, &now) == 0 && now.rlim_cur < OPEN_FILES &&
        setrlimit(RLIMIT_NOFILE, &wanted) < 0)
        wr_log(WR_LOG_INFO,
               "the limit of open files is low: a template can have one sandbox for each twelve",
               NULL);
}

/*
 * A user namespace keeps the limits that its maker had and applies them to all users inside
 * together, so the nest's would be shared by its sandboxes: one could use up queued signals, timers
 * and message queues for all. The agent sets limits per user again, memory is charged to the
 * sandbox.
 */
static void raise_own_limits(void)
{
    static const struct {
        __rlimit_resource_t resource;
        rlim_t value;
    } rows[] = {
        {RLIMIT_MSGQUEUE, RLIM_INFINITY},
        {RLIMIT_SIGPENDING, RLIM_INFINITY},
        {RLIMIT_MEMLOCK, RLIM_INFINITY},
        {RLIMIT_NPROC, RLIM_INFINITY},
    };
    bool all = true;

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        const struct rlimit wanted = {rows[i].value, rows[i].value};
        struct rlimit now;
        if (getrlimit(rows[i].resource, &now) < 0 || now.rlim_cur >= rows[i].value ||
            setrlimit(rows[i].resource, &wanted) == 0)
            continue;
        all = false;
        now.rlim_cur = now.rlim_max;
        (void)setrlimit(rows[i].resource, &now);
    }
    raise_open_files();
    if (!all)
        wr_log(
            WR_LOG_WARN,
            "the engine lacks CAP_SYS_RESOURCE: its limits of timers, queued signals and message queues hold for all sandboxes together, so "
            "one can use them up; start it with that capability",
            NULL);
}

/* The last part of the path that the open directory has. */
static int name_device_layer(struct wr_driver *driver, struct wr_error *err)
{
    char link[32], path[4096];
    ssize_t len = wr_strformat(link, sizeof(link), "/proc/self/fd/%d", driver->device_layer_fd)
                      ? readlink(link, path, sizeof(path) - 1)
                      : -1;

    if (len <= 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "find the name of the device layer");
    path[len] = '\0';
    const char *slash = strrchr(path, '/');
    if (!slash ||
        !wr_strcopy(driver->device_layer_name, sizeof(driver->device_layer_name), slash + 1))
        return wr_fail(err, WR_E_INTERNAL, 0, "the device layer has an unexpected name");
    return 0;
}

static int open_program(struct wr_driver *driver, struct wr_error *err)
{
    size_t len = 0;
    const void *program = wr_nest_program(&len);

    driver->program_fd = memfd_create("warren-nest", MFD_CLOEXEC | MFD_EXEC);
    if (driver->program_fd < 0 && errno == EINVAL) /* before kernel 6.3 every memfd is executable */
        driver->program_fd = memfd_create("warren-nest", MFD_CLOEXEC);
    if (driver->program_fd < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "make an executable memfd (see vm.memfd_noexec)");
    char hash[2 * WR_SHA256_LEN + 1];
    wr_sha256_hex(program, len, hash);
    memcpy(driver->program_hash, hash, WR_NEST_HASH_LEN);
    int rc = wr_write_all(driver->program_fd, program, len);
    if (rc < 0 || fchmod(driver->program_fd, 0755) < 0)
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : errno, "write the nest's program");
    struct wr_device_contents contents = {.program = program, .program_len = len};
    contents.files = wr_device_layer_files(&contents.file_count);
    rc = wr_device_layer_open(driver->data_dirfd, &contents, &driver->device_layer_fd, err);
    return rc ? rc : name_device_layer(driver, err);
}

#define MEMORY_PART 4 /* of the volume, at most, is for what images have in common */

static int open_storage(struct wr_driver *driver, const struct wr_engine_opts *opts,
                        struct wr_error *err)
{
    uint64_t total_bytes = 0, free_bytes = 0;
    int rc = wr_data_dir_open(opts->data_dir, &driver->data_dirfd, err);

    if (rc == 0)
        rc = take_lock(driver, err);
    if (rc < 0)
        return rc;
    const struct wr_volume_opts volume = {.data_dirfd = driver->data_dirfd,
                                          .data_dir = opts->data_dir,
                                          .path = opts->volume_path,
                                          .size_bytes = opts->volume_size_bytes};
    rc = wr_volume_open(&volume, &driver->volume, err);
    if (rc == 0)
        rc = wr_shares_open(driver->volume, &driver->shares, err);
    if (rc == 0)
        rc = wr_snapshots_open(driver->volume, &driver->snapshots, err);
    if (rc == 0)
        rc = wr_volume_space(driver->volume, &total_bytes, &free_bytes, err);
    return rc ? rc
              : wr_memory_open(wr_volume_fd(driver->volume), total_bytes / MEMORY_PART,
                               &driver->memory, err);
}

static int open_run_dir(struct wr_driver *driver, struct wr_error *err)
{
    wr_auto_free char *nests = wr_asprintf("%s/nests", driver->run_dir);
    int rc = nests ? wr_mkdir_parents(AT_FDCWD, nests, 0700) : -ENOMEM;

    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "make %s/nests", driver->run_dir);
    return wr_overlay_stage_open(driver->run_dir, &driver->stage, err);
}

/* One directory of control groups per data directory, so that two Warrens on one host do not see
 * each other's. */
static int open_cgroups(struct wr_driver *driver, struct wr_error *err)
{
    struct stat st;
    char instance[48];

    if (fstat(driver->data_dirfd, &st) < 0 ||
        !wr_strformat(instance, sizeof(instance), "%llx", (unsigned long long)st.st_ino))
        return wr_fail_errno(err, WR_E_INTERNAL, "look at %s", driver->data_dir);
    return wr_cgroup_root_open(instance, WR_SLOT_HOST_BASE, WR_SLOT_HOST_BASE, &driver->cgroups,
                               err);
}

/* The answer to a create is followed by the first command, which on two cores would wait for the
 * making of a kit. */
#define REFILL_PAUSE_MS 3

static void stop_refill(struct wr_driver *driver)
{
    wr_timer_stop(&driver->refill_pause);
    wr_idle_cancel(&driver->refill);
}

static void native_close(struct wr_driver *driver)
{
    wr_timer_stop(&driver->collect);
    wr_list_foreach(it, &driver->instances)
        wr_instance_detach(wr_list_entry(it, struct wr_instance, link));
    stop_refill(driver); /* after the detaching, which starts it */
    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        wr_list_foreach(kit, &t->kits)
            wr_leftovers_add(driver, wr_list_entry(kit, struct wr_kit, link));
        wr_native_template_free(t);
    }
    wr_timer_stop(&driver->collect); /* what is left is found by the next start */
    wr_timer_stop(&driver->memory_collect);
    if (driver->stage.dirfd >= 0)
        wr_overlay_stage_close(driver->run_dir, &driver->stage);
    wr_slots_done(&driver->slots);
    wr_cgroup_root_free(driver->cgroups);
    wr_native_checkpoint_done(&driver->checkpoint);
    wr_memory_free(driver->memory);
    wr_snapshots_free(driver->snapshots);
    wr_shares_free(driver->shares);
    wr_volume_free(driver->volume);
    wr_close(driver->device_layer_fd);
    wr_close(driver->program_fd);
    wr_close(driver->seccomp_fd);
    wr_close(driver->zygote_seccomp_fd);
    wr_close(driver->lock_fd);
    wr_close(driver->data_dirfd);
    free(driver->data_dir);
    free(driver->run_dir);
    free(driver);
}

static int native_open(struct wr_loop *loop, const struct wr_engine_opts *opts,
                       const struct wr_driver_callbacks *callbacks, struct wr_driver **ret,
                       struct wr_error *err)
{
    struct wr_driver *driver = wr_calloc(1, sizeof(*driver));

    if (!driver)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open the native driver");
    driver->loop = loop;
    driver->callbacks = *callbacks;
    driver->data_dir = wr_strdup(opts->data_dir);
    driver->run_dir = wr_strdup(opts->run_dir);
    driver->data_dirfd = driver->lock_fd = driver->seccomp_fd = driver->zygote_seccomp_fd =
        driver->program_fd = driver->device_layer_fd = -1;
    driver->stage.dirfd = -1;
    wr_slots_init(&driver->slots);
    wr_list_init(&driver->templates);
    wr_list_init(&driver->instances);
    wr_list_init(&driver->leftovers);
    int rc = driver->data_dir && driver->run_dir
                 ? open_storage(driver, opts, err)
                 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "open the native driver");
    if (rc == 0)
        rc = wr_native_checkpoint_init(&driver->checkpoint, opts->criu, err);
    if (rc == 0)
        rc = wr_host_read(&driver->host, err);
    if (rc == 0)
        rc = open_run_dir(driver, err);
    if (rc == 0)
        rc = open_cgroups(driver, err);
    if (rc == 0)
        rc = wr_seccomp_compile(WR_SECCOMP_SANDBOX, &driver->seccomp_fd, err);
    if (rc == 0)
        rc = wr_seccomp_compile(WR_SECCOMP_ZYGOTE, &driver->zygote_seccomp_fd, err);
    if (rc == 0)
        rc = open_program(driver, err);
    if (rc < 0) {
        native_close(driver);
        return rc;
    }
    raise_shared_limits();
    raise_own_limits();
    wr_log(WR_LOG_INFO, "native driver open", "cgroups", wr_cgroup_root_kind(driver->cgroups),
           "volume", wr_volume_kind(driver->volume), NULL);
    *ret = driver;
    return 0;
}

/* One kit per round of the loop, so that a request waits for at most one. */
static void on_refill(struct wr_idle *idle, void *data)
{
    struct wr_driver *driver = data;
    struct wr_error err;
    bool more = false;

    if (driver->starting > 0)
        return; /* the last outcome queues it again */
    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        struct wr_kit *kit = NULL;
        wr_native_zygote_start(t);
        if (t->layer_count == 0 || !wr_nest_link_alive(t->nest) || t->kit_count >= WR_KITS_READY)
            continue;
        if (wr_kit_new(t, NULL, &kit, &err) < 0) {
            static struct wr_log_limit limit;
            wr_log_limited(&limit, WR_LOG_WARN, err.msg, NULL);
            continue; /* the next request meets the same and reports it */
        }
        wr_list_append(&t->kits, &kit->link);
        t->kit_count++;
        more |= t->kit_count < WR_KITS_READY;
    }
    if (more)
        wr_idle_queue(driver->loop, idle);
}

static void on_refill_pause(struct wr_timer *timer, void *data)
{
    struct wr_driver *driver = data;

    (void)timer;
    driver->refill.fn = on_refill;
    driver->refill.data = driver;
    wr_idle_queue(driver->loop, &driver->refill);
}

void wr_native_refill(struct wr_driver *driver)
{
    struct wr_error err;

    if (driver->starting == 0 && wr_timer_start(driver->loop, &driver->refill_pause,
                                                REFILL_PAUSE_MS, on_refill_pause, driver, &err) < 0)
        wr_log(WR_LOG_ERROR, err.msg, NULL);
}

static int take_kit(struct wr_native_template *t, const struct wr_spec *spec, struct wr_kit **ret,
                    struct wr_error *err)
{
    if (spec->id[0] || wr_list_empty(&t->kits))
        return wr_kit_new(t, spec->id[0] ? spec->id : NULL, ret, err);
    *ret = wr_list_entry(t->kits.next, struct wr_kit, link);
    wr_list_remove(&(*ret)->link);
    t->kit_count--;
    return 0;
}

static int start_from_kit(struct wr_driver *driver, struct wr_spec *spec, void *owner,
                          struct wr_instance **ret, struct wr_error *err)
{
    struct wr_native_template *t = NULL;
    struct wr_kit *kit = NULL;
    int rc = wr_native_template_get(driver, spec->template_name, &t, err);
    if (rc == 0)
        rc = wr_spec_complete(spec, &t->t, err);
    if (rc == 0)
        rc = take_kit(t, spec, &kit, err);
    if (rc < 0)
        return rc;
    rc = wr_kit_apply(driver, kit, spec, err);
    if (rc < 0) {
        wr_leftovers_add(driver, kit);
        return rc;
    }
    memcpy(spec->id, kit->id, sizeof(spec->id));
    spec->slot = kit->slot;
    spec->created_ms = wr_wall_ms();
    struct wr_instance *instance = wr_instance_new(driver, kit, owner);
    if (!instance)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "start a sandbox");
    rc = wr_instance_start(t, instance, spec, t->layers_id, err);
    if (rc < 0)
        wr_instance_release(instance);
    else
        *ret = instance;
    return rc;
}

static int start_from_template(struct wr_driver *driver, struct wr_spec *spec, void *owner,
                               struct wr_instance **ret, struct wr_error *err)
{
    const bool our_id = !spec->id[0];
    int rc = start_from_kit(driver, spec, owner, ret, err);

    if (rc == -WR_E_UNAVAILABLE && our_id) {
        /* The nest had died unnoticed. Nothing was begun, so another one can be asked. */
        spec->id[0] = '\0';
        rc = start_from_kit(driver, spec, owner, ret, err);
    }
    return rc;
}

static int native_start(struct wr_driver *driver, enum wr_origin origin, struct wr_spec *spec,
                        void *owner, struct wr_instance **ret, bool *ret_booted,
                        struct wr_error *err)
{
    bool booted = true;

    stop_refill(driver); /* the outcome of this start begins it again */
    int rc = origin == WR_FROM_TEMPLATE
                 ? start_from_template(driver, spec, owner, ret, err)
                 : wr_restore_start(driver, origin, spec, owner, ret, &booted, err);
    if (rc == 0) {
        *ret_booted = booted;
        return 0;
    }
    rc = wr_volume_explain(driver->volume, err);
    wr_native_refill(driver);
    return rc;
}

static int native_templates(struct wr_driver *driver,
                            void (*fn)(const struct wr_template *t, void *data), void *data,
                            struct wr_error *err)
{
    return wr_template_list(driver->data_dirfd, fn, data, err);
}

#define TEARDOWN_ROUNDS 250

static void native_teardown(struct wr_driver *driver)
{
    struct wr_error err;

    stop_refill(driver);
    wr_list_foreach(it, &driver->templates) {
        struct wr_native_template *t = wr_list_entry(it, struct wr_native_template, link);
        wr_list_foreach(kit, &t->kits)
            wr_leftovers_add(driver, wr_list_entry(kit, struct wr_kit, link));
        t->kit_count = 0;
        if (wr_nest_bury(driver, t->nest_name, &err) < 0)
            wr_log(WR_LOG_WARN, err.msg, NULL);
        wr_native_template_free(t);
    }
    for (int i = 0; i < TEARDOWN_ROUNDS && !wr_list_empty(&driver->leftovers); i++) {
        wr_leftovers_try(driver);
        usleep(20000);
    }
    while (wr_volume_collect(driver->volume) || wr_snapshots_collect(driver->snapshots))
        ;
    wr_native_checkpoint_done(&driver->checkpoint);
    wr_timer_stop(&driver->collect);
    wr_shared_memory_collect(driver);
    wr_timer_stop(&driver->memory_collect);
    wr_overlay_stage_close(driver->run_dir, &driver->stage);
    wr_cgroup_root_remove(driver->cgroups);
    wr_shares_drain(driver->shares);
    driver->memory = wr_memory_free(driver->memory);
    driver->snapshots = wr_snapshots_free(driver->snapshots);
    driver->shares = wr_shares_free(driver->shares);
    driver->volume = wr_volume_free(driver->volume);
    if (wr_volume_unmount(driver->data_dir, &err) < 0)
        wr_log(WR_LOG_INFO, err.msg, NULL);
}

static int native_recover(struct wr_driver *driver, struct wr_error *err)
{
    int rc = wr_native_recover(driver, err);

    if (rc < 0)
        return rc;
    wr_native_layers_collect(driver);
    wr_shared_memory_collect(driver);
    wr_native_templates_prepare(driver);
    wr_native_checkpoint_start(driver);
    return rc;
}

const struct wr_driver_ops wr_driver_native = {
    .name = "native",
    .open = native_open,
    .close = native_close,
    .recover = native_recover,
    .start = native_start,
    .kill = wr_instance_kill,
    .freeze = wr_instance_freeze,
    .page_out = wr_instance_page_out,
    .note_reason = wr_instance_note_reason,
    .hibernate = wr_instance_hibernate,
    .snapshot = wr_instance_snapshot,
    .rebase = wr_saved_rebase,
    .saved_remove = wr_saved_remove,
    .saved_list = wr_saved_list,
    .checkpoint = wr_native_checkpoint_state,
    .assign = wr_instance_assign,
    .sockets = wr_instance_sockets,
    .stats = wr_instance_stats,
    .share_make = wr_native_share_make,
    .share_remove = wr_native_share_remove,
    .share_list = wr_native_share_list,
    .templates = native_templates,
    .zygote = wr_native_zygote_state,
    .teardown = native_teardown,
};
