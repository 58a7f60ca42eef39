#include "engine/engine.h"

#include <errno.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/action.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "sys/message.h"

/* A server that went away ends the engine; sandboxes live on for the next one. */
enum { EXIT_SERVER_GONE = 0, EXIT_SHUTDOWN = 0, EXIT_FAILED = 1 };

static struct {
    struct wr_action_header header;
    char payload[WR_ACTION_MAX - sizeof(struct wr_action_header)];
} in;

void wr_engine_check_shutdown(struct wr_engine *engine)
{
    if (!engine->shutdown_sequence || engine->sandbox_count > 0)
        return;
    wr_loop_stop(engine->loop, EXIT_SHUTDOWN);
}

/* What CREATE asked for: the sockets for connections into the sandbox, and behind them those that
 * take what leaves it. */
static int open_sockets(struct wr_engine_sandbox *s, int *fds, size_t *ret_egress_count,
                        struct wr_error *err)
{
    const struct wr_spec *spec = &s->spec;
    struct wr_egress_sockets egress = WR_EGRESS_SOCKETS_NONE;

    *ret_egress_count = 0;
    if (spec->sockets == 0 && !spec->egress)
        return 0;
    int rc = s->engine->ops->sockets(s->instance, spec->sockets, fds, spec->egress ? &egress : NULL,
                                     err);
    if (rc < 0)
        return rc;
    memcpy(fds + spec->sockets, egress.fds, egress.count * sizeof(*fds));
    *ret_egress_count = egress.count;
    return 0;
}

static void answer_create(struct wr_engine_sandbox *s)
{
    wr_auto_buf text = WR_BUF(4096);
    struct wr_error err = {0};
    struct wr_jw w;
    int fds[WR_ACTION_MAX_SOCKETS + WR_ACTION_EGRESS_SOCKETS];
    size_t egress_count = 0;
    int rc = open_sockets(s, fds, &egress_count, &err);
    const size_t fd_count = rc < 0 ? 0 : s->spec.sockets + egress_count;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_spec_write_public(&s->spec, &w);
    wr_jw_ku64(&w, "sockets", s->spec.sockets);
    wr_jw_ku64(&w, "egress", egress_count);
    wr_jw_end(&w);
    const char *json = wr_jw_finish(&w) == 0 ? wr_buf_cstr(&text) : NULL;
    if (rc == 0 && !json)
        rc = wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "write the reply");
    if (rc < 0) {
        wr_engine_reply_error(s->engine, WR_ACTION_CREATE, s->start_sequence, &err);
        s->state = WR_SANDBOX_STOPPING;
        s->engine->ops->kill(s->instance);
    } else {
        wr_engine_reply(s->engine, WR_ACTION_CREATE, s->start_sequence, json, fds, fd_count);
    }
    s->start_sequence = 0;
    for (size_t i = 0; i < fd_count; i++)
        wr_close(fds[i]); /* the server alone has them now */
}

static void answer_kills(const struct wr_engine_sandbox *s)
{
    for (size_t i = 0; i < s->kill_count; i++)
        wr_engine_reply(s->engine, WR_ACTION_KILL, s->kill_sequences[i], "{}", NULL, 0);
}

static void on_started(void *owner, const struct wr_error *error)
{
    struct wr_engine_sandbox *s = owner;
    struct wr_engine *engine = s->engine;

    if (error) {
        wr_engine_reply_error(engine, WR_ACTION_CREATE, s->start_sequence, error);
        answer_kills(s);
        wr_engine_drop(s);
        wr_engine_check_shutdown(engine);
        return;
    }
    s->state = WR_SANDBOX_RUNNING;
    if (s->kill_count == 0 && !engine->shutdown_sequence) {
        answer_create(s);
        return;
    }
    struct wr_error killed;
    (void)wr_fail(&killed, WR_E_ABORTED, 0, "sandbox %s was killed while it started", s->spec.id);
    wr_engine_reply_error(engine, WR_ACTION_CREATE, s->start_sequence, &killed);
    s->start_sequence = 0;
    s->state = WR_SANDBOX_STOPPING;
    engine->ops->kill(s->instance);
}

static void on_gone(void *owner, enum wr_gone_reason reason)
{
    static const char *const names[] = {
        [WR_GONE_EXITED] = "exited", [WR_GONE_KILLED] = "killed", [WR_GONE_OOM] = "oom"};
    struct wr_engine_sandbox *s = owner;
    struct wr_engine *engine = s->engine;

    answer_kills(s);
    if (s->kill_count == 0)
        wr_engine_event_gone(engine, s->spec.id, names[reason]);
    wr_engine_drop(s);
    wr_engine_check_shutdown(engine);
}

static void *on_found(void *data, struct wr_spec *spec, struct wr_instance *instance)
{
    struct wr_engine_sandbox *s = wr_engine_sandbox_new(data, spec);

    if (!s)
        return NULL;
    s->instance = instance;
    s->state = WR_SANDBOX_RUNNING;
    wr_engine_insert(s);
    return s;
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
    const struct wr_driver_callbacks callbacks = {on_started, on_gone, on_found, engine};
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
    struct wr_engine engine = {.sock = sock,
                               .ops = opts->fake ? &wr_driver_fake : &wr_driver_native};
    struct wr_error err = {0};

    wr_list_init(&engine.sandboxes);
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
        if (engine.shutdown_sequence && engine.sandbox_count == 0) {
            engine.ops->teardown(engine.driver);
            wr_engine_reply(&engine, WR_ACTION_SHUTDOWN, engine.shutdown_sequence, "{}", NULL, 0);
        }
        wr_source_remove(&engine.source);
        wr_list_foreach(it, &engine.sandboxes)
            wr_engine_drop(wr_list_entry(it, struct wr_engine_sandbox, link));
    }
    if (engine.driver)
        engine.ops->close(engine.driver);
    engine.loop = wr_loop_free(engine.loop);
    wr_close(engine.sock);
    return status < 0 ? EXIT_FAILED : status;
}
