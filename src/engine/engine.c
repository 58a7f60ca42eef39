#include "engine/engine.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/action.h"
#include "engine/ending.h"
#include "engine/pausing.h"
#include "engine/snapshot_actions.h"
#include "engine/starting.h"
#include "log/log.h"
#include "sys/message.h"

/* A server that went away ends the engine; sandboxes live on for the next one. */
enum { EXIT_SERVER_GONE = 0, EXIT_FAILED = 1 };

static struct {
    struct wr_action_header header;
    char payload[WR_ACTION_MAX - sizeof(struct wr_action_header)];
} in;

/* By the level that its record names. */
static const enum wr_sandbox_state found_states[] = {
    [WR_LEVEL_RUNNING] = WR_SANDBOX_RUNNING,
    [WR_LEVEL_FROZEN] = WR_SANDBOX_FROZEN,
    [WR_LEVEL_PAGED] = WR_SANDBOX_PAGED,
    [WR_LEVEL_HIBERNATED] = WR_SANDBOX_FROZEN, /* it was about to be */
};

static void *on_found(void *data, struct wr_spec *spec, struct wr_instance *instance)
{
    struct wr_engine_sandbox *s = wr_engine_sandbox_new(data, spec);

    if (!s)
        return NULL;
    s->instance = instance;
    if (s->spec.level != WR_LEVEL_RUNNING) {
        s->pause = (struct wr_engine_pause){.paused_ms = s->spec.paused_ms, .memory = true};
        memcpy(s->pause.reason, s->spec.pause_reason, sizeof(s->pause.reason));
        s->spec.pause_reason[0] = '\0';
    }
    wr_engine_enter(s, found_states[s->spec.level]);
    wr_engine_insert(s);
    return s;
}

/* One that is found alive, too, has been ended by the driver. */
static void on_found_saved(void *data, const struct wr_saved *saved)
{
    struct wr_engine *engine = data;
    WR_CLEANUP(wr_spec_done) struct wr_spec spec = {0};

    wr_spec_copy(saved->spec, &spec);
    struct wr_engine_sandbox *s =
        wr_engine_find(engine, spec.id) ? NULL : wr_engine_sandbox_new(engine, &spec);
    if (!s) {
        wr_log(WR_LOG_ERROR, "a hibernated sandbox is left alone", "sandbox", saved->id, NULL);
        return;
    }
    s->pause = (struct wr_engine_pause){.paused_ms = s->spec.paused_ms ? s->spec.paused_ms
                                                                       : saved->created_ms,
                                        .bytes = saved->bytes,
                                        .memory = saved->memory};
    memcpy(s->pause.source, saved->source, sizeof(s->pause.source));
    wr_engine_enter(s, WR_SANDBOX_HIBERNATED);
    wr_engine_insert(s);
}

static void on_message(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_engine *engine = data;
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;

    (void)source;
    (void)events;
    ssize_t len = wr_message_recv(engine->sock, &in, sizeof(in), fds, &fd_count);
    for (size_t i = 0; i < fd_count; i++)
        wr_close(fds[i]); /* no action takes descriptors */
    if (len == -EAGAIN || len == -EINTR || len == -EMSGSIZE)
        return;
    if (len <= 0) {
        wr_log(WR_LOG_INFO, "the server is gone", NULL);
        wr_loop_stop(engine->loop, EXIT_SERVER_GONE);
        return;
    }
    if (len < (ssize_t)sizeof(in.header) || in.header.magic != WR_ACTION_MAGIC ||
        in.header.version != WR_ACTION_VERSION ||
        in.header.length != (size_t)len - sizeof(in.header) || in.header.sequence == 0) {
        static struct wr_log_limit limit;
        wr_log_limited(&limit, WR_LOG_WARN, "a malformed message was dropped", NULL);
        return;
    }
    wr_engine_dispatch(engine, &in.header, in.payload);
}

static int open_all(struct wr_engine *engine, const struct wr_engine_opts *opts,
                    struct wr_error *err)
{
    const struct wr_driver_callbacks callbacks = {
        .on_started = wr_starting_done,
        .on_gone = wr_ending_gone,
        .on_found = on_found,
        .on_found_saved = on_found_saved,
        .on_hibernated = wr_pausing_hibernated,
        .on_snapshot = wr_snapshot_done,
        .data = engine,
    };
    int rc = wr_loop_new(&engine->loop, err);

    if (rc == 0)
        rc = engine->ops->open(engine->loop, opts, &callbacks, &engine->driver, err);
    if (rc == 0)
        rc = engine->ops->recover(engine->driver, err);
    if (rc == 0)
        rc = wr_source_add(engine->loop, &engine->source, engine->sock, EPOLLIN, on_message, engine,
                           err);
    return rc;
}

int wr_engine_run(const struct wr_engine_opts *opts, int sock, int ready_fd)
{
    return wr_engine_run_driver(opts->fake ? &wr_driver_fake : &wr_driver_native, opts, sock,
                                ready_fd);
}

int wr_engine_run_driver(const struct wr_driver_ops *ops, const struct wr_engine_opts *opts,
                         int sock, int ready_fd)
{
    struct wr_engine engine = {.sock = sock, .ops = ops};
    struct wr_error err = {0};

    int rc = open_all(&engine, opts, &err);
    if (rc == 0) {
        err = (struct wr_error){0};
        wr_engine_event_ready(&engine, getpid());
        wr_log(WR_LOG_INFO, "engine ready", "driver", engine.ops->name, NULL);
    } else {
        wr_log(WR_LOG_ERROR, err.msg, NULL);
    }
    if (ready_fd >= 0)
        (void)!write(ready_fd, &err, sizeof(err));
    wr_close(ready_fd);
    int status = EXIT_FAILED;
    if (rc == 0) {
        status = wr_loop_run(engine.loop, &err);
        if (engine.shutdown_sequence && engine.live_count == 0) {
            engine.ops->teardown(engine.driver);
            wr_engine_reply(&engine, WR_ACTION_SHUTDOWN, engine.shutdown_sequence, "{}", NULL, 0);
        }
        wr_source_remove(&engine.source);
    }
    wr_engine_table_done(&engine);
    if (engine.driver)
        engine.ops->close(engine.driver);
    engine.loop = wr_loop_free(engine.loop);
    wr_close(engine.sock);
    return status < 0 ? EXIT_FAILED : status;
}
