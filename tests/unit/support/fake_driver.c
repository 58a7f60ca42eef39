#include "support/fake_driver.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/str.h"
#include "json/value.h"
#include "support/fake_driver_internal.h"

#define MAX_LOG ((size_t)64 * 1024 * 1024)

static const char *const op_names[FAKE_OP_COUNT] = {
    [FAKE_CHECK] = "check",
    [FAKE_CREATE] = "create",
    [FAKE_CONNECT] = "connect",
    [FAKE_KILL] = "kill",
    [FAKE_SET_TIMEOUT] = "set_timeout",
    [FAKE_PAUSE] = "pause",
    [FAKE_RESUME] = "resume",
    [FAKE_FORK] = "fork",
    [FAKE_SNAPSHOT] = "snapshot",
    [FAKE_INFO] = "info",
    [FAKE_METRICS] = "metrics",
    [FAKE_LIST] = "list",
    [FAKE_CODE] = "code",
    [FAKE_CONTEXT_CREATE] = "context_create",
    [FAKE_CONTEXT_LIST] = "context_list",
    [FAKE_CONTEXT_RESTART] = "context_restart",
    [FAKE_CONTEXT_REMOVE] = "context_remove",
    [FAKE_PROGRAM] = "program",
    [FAKE_PROGRAM_LIST] = "program_list",
    [FAKE_FILE_READ] = "read",
    [FAKE_FILE_WRITE] = "write",
    [FAKE_FILE_OTHER] = "file",
    [FAKE_VOLUME] = "volume",
};

/* ---- one call ---- */

static void note(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                 const char *detail)
{
    const char *id = call->sandbox ? call->sandbox->id : NULL;

    if (wr_buf_printf(&driver->log, "%s%s%s%s%s\n", op_names[op], id ? " " : "", id ? id : "",
                      detail ? " " : "", detail ? detail : "") < 0)
        abort();
}

static int failed_by_rule(struct fake_driver *driver, enum fake_op op, unsigned number,
                          struct wr_error *err)
{
    for (size_t i = 0; i < FAKE_RULES_MAX; i++) {
        const struct fake_rule *rule = &driver->rules[i];
        if (rule->code == WR_OK || rule->op != op || number < rule->first || number > rule->last)
            continue;
        int r = wr_fail(err, rule->code, 0, "%s number %u fails as the test wants it", op_names[op],
                        number);
        err->retry_after_ms = rule->retry_after_ms;
        return r;
    }
    return 0;
}

/* The lock is given up meanwhile. */
static int wait_at_gate(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                        struct wr_error *err)
{
    struct pollfd fds[2] = {
        {.fd = driver->gate[op], .events = POLLIN},
        {.fd = call->wait.cancel ? wr_cancel_fd(call->wait.cancel) : -1, .events = POLLIN}};

    if (driver->gate[op] < 0)
        return 0;
    driver->held[op]++;
    pthread_cond_broadcast(&driver->held_more);
    pthread_mutex_unlock(&driver->lock);
    while (poll(fds, 2, -1) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&driver->lock);
    driver->held[op]--;
    return fds[1].revents ? wr_fail(err, WR_E_CANCELED, 0, "%s: cancelled", op_names[op]) : 0;
}

static int spend(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                 struct wr_error *err)
{
    uint64_t ms = driver->pass ? driver->latency_ms[op] : 0, allowed = call->wait.timeout_ms;

    if (ms == 0)
        return 0;
    pthread_mutex_unlock(&driver->lock);
    driver->pass(driver->clock_data, allowed ? WR_MIN(ms, allowed) : ms);
    pthread_mutex_lock(&driver->lock);
    if (allowed && ms > allowed)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "%s: took longer than %llu ms", op_names[op],
                       (unsigned long long)allowed);
    return 0;
}

int fake_begin(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
               const char *detail, struct wr_error *err)
{
    pthread_mutex_lock(&driver->lock);
    unsigned number = ++driver->calls[op];
    driver->now[op]++;
    driver->peak[op] = WR_MAX(driver->peak[op], driver->now[op]);
    note(driver, op, call, detail);
    int r = wait_at_gate(driver, op, call, err);
    if (r == 0)
        r = failed_by_rule(driver, op, number, err);
    if (r == 0)
        r = spend(driver, op, call, err);
    if (r == 0 && call->wait.cancel && wr_cancel_fired(call->wait.cancel))
        r = wr_fail(err, WR_E_CANCELED, 0, "%s: cancelled", op_names[op]);
    if (r < 0)
        pthread_mutex_unlock(&driver->lock);
    return r;
}

void fake_unlock(struct fake_driver *driver)
{
    pthread_mutex_unlock(&driver->lock);
}

void fake_end(struct fake_driver *driver, enum fake_op op)
{
    pthread_mutex_lock(&driver->lock);
    driver->now[op]--;
    pthread_mutex_unlock(&driver->lock);
}

/* ---- sandboxes ---- */

void fake_file_free(struct fake_file *file)
{
    wr_list_remove(&file->link);
    free(file->path);
    free(file->bytes);
    free(file);
}

static void sandbox_free(struct fake_sandbox *sandbox)
{
    while (!wr_list_empty(&sandbox->files))
        fake_file_free(wr_list_entry(sandbox->files.next, struct fake_file, link));
    wr_list_remove(&sandbox->link);
    json_decref(sandbox->created_with);
    json_decref(sandbox->contexts);
    free(sandbox);
}

static void end_sandbox(struct fake_driver *driver, struct fake_sandbox *sandbox)
{
    driver->alive -= sandbox->alive;
    sandbox->alive = false;
}

/* Those whose time is over end, when there is a clock. */
void fake_driver_expire(struct fake_driver *driver)
{
    if (!driver->now_ms)
        return;
    wr_list_foreach(it, &driver->sandboxes) {
        struct fake_sandbox *sandbox = wr_list_entry(it, struct fake_sandbox, link);
        if (sandbox->alive && !sandbox->paused &&
            driver->now_ms(driver->clock_data) >= sandbox->end_ms)
            end_sandbox(driver, sandbox);
    }
}

struct fake_sandbox *fake_sandbox_find(struct fake_driver *driver, const char *id)
{
    wr_list_foreach(it, &driver->sandboxes) {
        struct fake_sandbox *sandbox = wr_list_entry(it, struct fake_sandbox, link);
        if (wr_streq(sandbox->id, id))
            return sandbox;
    }
    return NULL;
}

static struct fake_sandbox *find_alive(struct fake_driver *driver, const char *id)
{
    fake_driver_expire(driver);
    struct fake_sandbox *sandbox = fake_sandbox_find(driver, id);
    return sandbox && sandbox->alive ? sandbox : NULL;
}

int fake_sandbox_of(struct fake_driver *driver, const struct wr_call *call,
                    struct fake_sandbox **ret, struct wr_error *err)
{
    *ret = find_alive(driver, call->sandbox->id);
    return *ret ? 0 : wr_fail(err, WR_E_ABORTED, 0, "sandbox %s ended", call->sandbox->id);
}

static uint64_t end_after(struct fake_driver *driver, uint64_t timeout_s)
{
    return (driver->now_ms ? driver->now_ms(driver->clock_data) : 0) + timeout_s * 1000;
}

static json_t *pairs(const char *const *items, size_t count)
{
    json_t *object = json_object();

    for (size_t i = 0; i < count; i++) {
        const char *equals = strchr(items[i], '=');
        wr_auto_free char *name = wr_strndup(items[i], (size_t)(equals - items[i]));
        json_object_set_new(object, name, json_string(equals + 1));
    }
    return object;
}

struct fake_sandbox *fake_sandbox_new(struct fake_driver *driver,
                                      const struct wr_sandbox_opts *opts)
{
    struct fake_sandbox *sandbox = wr_calloc(1, sizeof *sandbox);

    if (!sandbox || !wr_strformat(sandbox->id, sizeof sandbox->id, "fake%016u", ++driver->numbers))
        abort();
    sandbox->alive = true;
    sandbox->end_ms = end_after(driver, opts->timeout_s);
    sandbox->contexts = json_array();
    sandbox->created_with = json_pack("{s:s, s:o, s:o, s:b, s:I}", "template", opts->template_name,
                                      "metadata", pairs(opts->metadata, opts->metadata_count),
                                      "envs", pairs(opts->envs, opts->env_count), "no_internet",
                                      opts->no_internet, "timeout_s", (json_int_t)opts->timeout_s);
    wr_list_init(&sandbox->files);
    wr_list_append(&driver->sandboxes, &sandbox->link);
    driver->alive++;
    driver->peak_alive = WR_MAX(driver->peak_alive, driver->alive);
    return sandbox;
}

static int check(void *self, const struct wr_call *call, struct wr_error *err)
{
    int r = fake_begin(self, FAKE_CHECK, call, NULL, err);
    if (r == 0)
        fake_unlock(self);
    fake_end(self, FAKE_CHECK);
    return r;
}

static int sandbox_create(void *self, const struct wr_call *call,
                          const struct wr_sandbox_opts *opts, struct wr_sandbox_access *ret,
                          struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_CREATE, call, opts->template_name, err);
    if (r == 0) {
        fake_driver_expire(driver);
        if (driver->max_alive && driver->alive >= driver->max_alive)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "there are %u sandboxes", driver->alive);
        else
            memcpy(ret->id, fake_sandbox_new(driver, opts)->id, sizeof ret->id);
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_CREATE);
    return r;
}

static int sandbox_connect(void *self, const struct wr_call *call, const char *id,
                           uint64_t timeout_s, struct wr_sandbox_access *ret, struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_CONNECT, call, id, err);
    if (r == 0) {
        struct fake_sandbox *sandbox = find_alive(driver, id);
        if (sandbox) {
            sandbox->paused = false;
            sandbox->end_ms = WR_MAX(sandbox->end_ms, end_after(driver, timeout_s));
            memcpy(ret->id, sandbox->id, sizeof ret->id);
        } else {
            r = wr_fail(err, WR_E_NOT_FOUND, 0, "there is no sandbox %s", id);
        }
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_CONNECT);
    return r;
}

static int sandbox_kill(void *self, const struct wr_call *call, struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_KILL, call, NULL, err);
    if (r == 0) {
        struct fake_sandbox *sandbox = find_alive(driver, call->sandbox->id);
        if (sandbox)
            end_sandbox(driver, sandbox);
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_KILL);
    return r;
}

int fake_begin_known(struct fake_driver *driver, enum fake_op op, const struct wr_call *call,
                     struct fake_sandbox **ret, struct wr_error *err)
{
    int r = fake_begin(driver, op, call, NULL, err);
    if (r < 0)
        return r;
    *ret = find_alive(driver, call->sandbox->id);
    if (*ret)
        return 0;
    fake_unlock(driver);
    return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no sandbox %s", call->sandbox->id);
}

static int sandbox_set_timeout(void *self, const struct wr_call *call, uint64_t timeout_s,
                               struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin_known(self, FAKE_SET_TIMEOUT, call, &sandbox, err);
    if (r == 0) {
        sandbox->end_ms = end_after(self, timeout_s);
        fake_unlock(self);
    }
    fake_end(self, FAKE_SET_TIMEOUT);
    return r;
}

static json_t *describe(const struct fake_sandbox *sandbox)
{
    return json_pack("{s:s, s:O, s:O, s:s}", "sandboxID", sandbox->id, "templateID",
                     json_object_get(sandbox->created_with, "template"), "metadata",
                     json_object_get(sandbox->created_with, "metadata"), "state",
                     sandbox->paused ? "paused" : "running");
}

static int sandbox_info(void *self, const struct wr_call *call, struct wr_value **ret,
                        struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin_known(self, FAKE_INFO, call, &sandbox, err);
    if (r == 0) {
        *ret = wr_value_of_json(describe(sandbox));
        fake_unlock(self);
    }
    fake_end(self, FAKE_INFO);
    return r;
}

static int sandbox_metrics(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err)
{
    struct fake_sandbox *sandbox = NULL;

    int r = fake_begin_known(self, FAKE_METRICS, call, &sandbox, err);
    if (r == 0) {
        *ret = wr_value_of_json(json_pack("[{s:f, s:i, s:i, s:i, s:i}]", "cpuUsedPct", 12.5,
                                          "memUsed", 1000000, "memTotal", 4000000, "diskUsed",
                                          2000000, "diskTotal", 8000000));
        fake_unlock(self);
    }
    fake_end(self, FAKE_METRICS);
    return r;
}

static bool has_metadata(const struct fake_sandbox *sandbox, const char *const *metadata,
                         size_t count)
{
    json_t *wanted = pairs(metadata, count);
    const json_t *its = json_object_get(sandbox->created_with, "metadata");
    const char *key;
    json_t *value;
    bool all = true;

    json_object_foreach(wanted, key, value)
        all = all && json_equal(value, json_object_get(its, key));
    json_decref(wanted);
    return all;
}

static int sandbox_list(void *self, const struct wr_call *call, const char *const *metadata,
                        size_t metadata_count, struct wr_value **ret, struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_LIST, call, NULL, err);
    if (r == 0) {
        json_t *list = json_array();
        fake_driver_expire(driver);
        wr_list_foreach(it, &driver->sandboxes) {
            struct fake_sandbox *sandbox = wr_list_entry(it, struct fake_sandbox, link);
            if (sandbox->alive && has_metadata(sandbox, metadata, metadata_count))
                json_array_append_new(list, describe(sandbox));
        }
        *ret = wr_value_of_json(list);
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_LIST);
    return r;
}

/* ---- the driver ---- */

static void client_gone(void *self)
{
    (void)self; /* the test's to free */
}

struct wr_client *fake_driver_client(struct fake_driver *driver)
{
    const struct wr_driver over = {
        .ops = &driver->ops, .self = driver, .backend = WR_BACKEND_SOCKET, .name = "fake"};
    struct wr_client *client = NULL;
    struct wr_error err = {0};

    if (wr_client_with_driver(&over, &client, &err) < 0)
        abort();
    return client;
}

struct fake_driver *fake_driver_new(void)
{
    struct fake_driver *driver = wr_calloc(1, sizeof *driver);

    if (!driver)
        abort();
    pthread_mutex_init(&driver->lock, NULL);
    pthread_cond_init(&driver->held_more, NULL);
    wr_list_init(&driver->sandboxes);
    wr_buf_init(&driver->log, MAX_LOG);
    for (size_t i = 0; i < FAKE_OP_COUNT; i++)
        driver->gate[i] = -1;
    driver->ops = (struct wr_driver_ops){.check = check,
                                         .sandbox_create = sandbox_create,
                                         .sandbox_connect = sandbox_connect,
                                         .sandbox_kill = sandbox_kill,
                                         .sandbox_set_timeout = sandbox_set_timeout,
                                         .sandbox_info = sandbox_info,
                                         .sandbox_metrics = sandbox_metrics,
                                         .sandbox_list = sandbox_list,
                                         .free = client_gone};
    fake_driver_ops_inside(&driver->ops);
    fake_driver_ops_files(&driver->ops);
    fake_driver_ops_saved(&driver->ops);
    fake_driver_ops_volumes(&driver->ops);
    return driver;
}

struct fake_driver *fake_driver_free(struct fake_driver *driver)
{
    if (!driver)
        return NULL;
    while (!wr_list_empty(&driver->sandboxes))
        sandbox_free(wr_list_entry(driver->sandboxes.next, struct fake_sandbox, link));
    for (size_t i = 0; i < FAKE_OP_COUNT; i++)
        wr_close(driver->gate[i]);
    wr_buf_done(&driver->log);
    pthread_mutex_destroy(&driver->lock);
    pthread_cond_destroy(&driver->held_more);
    free(driver);
    return NULL;
}
