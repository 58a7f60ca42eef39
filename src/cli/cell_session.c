#include "cli/cell_session.h"

#include <errno.h>
#include <signal.h>

#include "base/alloc.h"

struct wr_cell_session {
    struct wr_transport *client;
    struct wr_signals signals;
    struct wr_interpreter interpreter;
    struct wr_keep_alive keep_alive;
    struct wr_timer limit;
    struct wr_cell_output output;
    int signo;
    bool timed_out;
    /* of the running cell: */
    wr_cell_fn fn;
    void *data;
};

static void stop(struct wr_cell_session *session, int signo)
{
    /* One that ends the command is not forgotten for a later SIGINT. */
    if (session->signo == 0 || session->signo == SIGINT)
        session->signo = signo;
    wr_transport_interrupt(session->client, true);
}

static void on_signal(int signo, void *data)
{
    stop(data, signo);
}

static void on_broken(void *data)
{
    stop(data, SIGPIPE);
}

static void on_limit(struct wr_timer *timer, void *data)
{
    struct wr_cell_session *session = data;

    (void)timer;
    session->timed_out = true;
    wr_transport_interrupt(session->client, true);
}

int wr_cell_session_new(struct wr_transport *client, struct wr_cell_session **ret,
                        struct wr_error *err)
{
    static const int signos[] = {SIGINT, SIGTERM, SIGHUP, 0};
    struct wr_cell_session *session = wr_calloc(1, sizeof *session);

    if (!session)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "session");
    session->client = client;
    session->signals.fd = -1;
    int r = wr_signals_add(wr_transport_loop(client), &session->signals, signos, on_signal, session,
                           err);
    if (r < 0) {
        free(session);
        return r;
    }
    wr_cell_output_init(&session->output, wr_transport_loop(client), on_broken, session);
    *ret = session;
    return 0;
}

struct wr_cell_session *wr_cell_session_free(struct wr_cell_session *session)
{
    if (!session)
        return NULL;
    wr_cell_output_done(&session->output, session->signo != 0);
    wr_keep_alive_stop(&session->keep_alive);
    wr_timer_stop(&session->limit);
    wr_signals_remove(&session->signals);
    free(session);
    return NULL;
}

int wr_cell_session_open(struct wr_cell_session *session, const char *sandbox_id,
                         uint64_t timeout_ms, struct wr_error *err)
{
    int r = wr_interpreter_open(session->client, sandbox_id, WR_API_SANDBOX_TIMEOUT_S,
                                &session->interpreter, err);
    if (r == 0 && timeout_ms > 0)
        r = wr_timer_start(wr_transport_loop(session->client), &session->limit, timeout_ms,
                           on_limit, session, err);
    if (r == 0)
        wr_keep_alive_start(&session->keep_alive, session->client, sandbox_id);
    return r;
}

const struct wr_interpreter *wr_cell_session_interpreter(const struct wr_cell_session *session)
{
    return &session->interpreter;
}

struct wr_cell_output *wr_cell_session_output(struct wr_cell_session *session)
{
    return &session->output;
}

static void on_message(struct wr_execution *execution, const struct wr_cell_message *message,
                       void *data)
{
    struct wr_cell_session *session = data;

    session->output.running = execution;
    session->fn(execution, message, session->data);
}

int wr_cell_session_execute(struct wr_cell_session *session, const struct wr_cell_request *request,
                            const char *what, wr_cell_fn fn, void *data, struct wr_error *err)
{
    session->fn = fn;
    session->data = data;
    wr_cell_output_watch(&session->output, what);
    int r = wr_interpreter_execute(&session->interpreter, request, on_message, session, err);
    wr_cell_output_watch(&session->output, NULL);
    if (r < 0)
        r = wr_api_sandbox_explain_cut(session->client, session->interpreter.sandbox_id, err);
    return r;
}

int wr_cell_session_signal(const struct wr_cell_session *session)
{
    return session->signo;
}

bool wr_cell_session_timed_out(const struct wr_cell_session *session)
{
    return session->timed_out;
}

void wr_cell_session_resume(struct wr_cell_session *session)
{
    if (session->signo != SIGINT)
        return;
    session->signo = 0;
    wr_transport_interrupt(session->client, false);
}

void wr_cell_session_finish(struct wr_cell_session *session)
{
    wr_transport_interrupt(session->client, false);
}
