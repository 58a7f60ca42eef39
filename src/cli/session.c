#include "cli/session.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "cli/keep_alive.h"
#include "cli/sink.h"
#include "cli/terminal.h"

struct wr_session {
    struct wr_transport *client;
    struct wr_signals signals;
    int interrupts;
    int fatal_signal;
    /* of the run: */
    const struct wr_session_opts *opts;
    struct wr_session_result *result;
    struct wr_process *process;
    struct wr_sink out, err;
    struct wr_source input;
    struct wr_keep_alive keep_alive;
    bool input_always_ready; /* a regular file: epoll does not take it */
    bool input_open;
    bool input_busy; /* a chunk is under way */
    bool done;
    struct wr_error error;
    char chunk[WR_PROCESS_INPUT_CHUNK];
};

/* ---- signals ---- */

static void pass_size(struct wr_session *session)
{
    struct wr_error ignored = {0};
    unsigned cols = 0, rows = 0;

    wr_terminal_size(&cols, &rows);
    /* The program may have ended: nothing is lost then. */
    if (session->process && session->opts->process.pty && wr_process_pid(session->process))
        (void)!wr_process_resize(session->process, cols, rows, &ignored);
}

static void on_signal(int signo, void *data)
{
    struct wr_session *session = data;
    struct wr_error error = {0};

    if (signo == SIGWINCH) {
        pass_size(session);
        return;
    }
    bool running = session->process && wr_process_pid(session->process);
    if (signo == SIGINT && ++session->interrupts == 1 && running &&
        wr_process_signal(session->process, SIGINT, &error) == 0)
        return;
    session->fatal_signal = signo;
    session->done = true;
    wr_transport_interrupt(session->client, true);
}

int wr_session_new(struct wr_transport *client, struct wr_session **ret, struct wr_error *err)
{
    static const int signos[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, 0};
    struct wr_session *session = wr_calloc(1, sizeof *session);

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
    *ret = session;
    return 0;
}

struct wr_session *wr_session_free(struct wr_session *session)
{
    if (session)
        wr_signals_remove(&session->signals);
    free(session);
    return NULL;
}

int wr_session_signal(const struct wr_session *session)
{
    return session->fatal_signal;
}

/* ---- input ---- */

static void end_input(struct wr_session *session)
{
    session->input_open = false;
    wr_source_remove(&session->input);
}

static void read_input(struct wr_session *session)
{
    struct wr_error error = {0};

    ssize_t n = read(STDIN_FILENO, session->chunk, sizeof session->chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n <= 0) {
        end_input(session);
        if (!session->opts->process.pty)
            wr_process_close_stdin(session->process);
        return;
    }
    session->input_busy = true;
    wr_source_set_events(&session->input, 0);
    if (wr_process_input(session->process, session->chunk, (size_t)n, &error) < 0)
        end_input(session);
}

static void on_input_ready(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_session *session = data;

    (void)source;
    (void)events;
    if (session->input_open && !session->input_busy && session->process)
        read_input(session);
    else if (session->input_busy && (events & (EPOLLHUP | EPOLLERR)))
        /* Reported whatever the mask says: looked at again when the chunk is through. */
        wr_source_remove(&session->input);
}

static void watch_input(struct wr_session *session)
{
    struct wr_error error = {0};

    if (session->input_always_ready || !session->input_open)
        return;
    if (session->input.loop) {
        wr_source_set_events(&session->input, EPOLLIN);
        return;
    }
    if (wr_source_add(wr_transport_loop(session->client), &session->input, STDIN_FILENO, EPOLLIN,
                      on_input_ready, session, &error) < 0)
        session->input_always_ready = true;
}

static void on_input_done(struct wr_process *process, const struct wr_error *error, void *data)
{
    struct wr_session *session = data;

    (void)process;
    session->input_busy = false;
    if (error) {
        /* Nobody reads it any more: the program closed its input or has ended. */
        end_input(session);
        return;
    }
    watch_input(session);
    if (session->input_always_ready && session->input_open)
        read_input(session);
}

/* ---- output ---- */

static void on_drain(struct wr_sink *sink, void *data)
{
    struct wr_session *session = data;

    (void)sink;
    if (session->process)
        wr_process_pause(session->process, false);
}

static void capture(struct wr_session *session, struct wr_buf *into, const void *bytes, size_t len)
{
    size_t room = WR_MIN(len, wr_buf_room(into));

    if (wr_buf_append(into, bytes, room) < 0 || room < len)
        session->result->truncated = true;
}

static void on_output(struct wr_process *process, enum wr_process_stream stream, const void *bytes,
                      size_t len, void *data)
{
    struct wr_session *session = data;
    bool to_err = stream == WR_PROCESS_STDERR;
    struct wr_sink *sink = to_err ? &session->err : &session->out;

    if (session->result->first_output_us == 0)
        session->result->first_output_us = wr_mono_us();
    if (session->opts->capture) {
        capture(session, to_err ? &session->result->err : &session->result->out, bytes, len);
        return;
    }
    if (!wr_sink_write(sink, bytes, len))
        wr_process_pause(process, true);
    if (sink->broken && !session->done) {
        /* As a program that writes to a closed pipe. */
        session->fatal_signal = SIGPIPE;
        session->done = true;
    }
}

/* ---- the program ---- */

static void on_start(struct wr_process *process, uint32_t pid, void *data)
{
    struct wr_session *session = data;

    (void)process;
    (void)pid;
    if (!session->opts->forward_input)
        return;
    session->input_open = true;
    watch_input(session);
    if (session->input_always_ready)
        read_input(session);
    if (session->opts->process.pty)
        pass_size(session);
}

static void on_end(struct wr_process *process, const struct wr_process_end *end,
                   const struct wr_error *error, void *data)
{
    struct wr_session *session = data;

    (void)process;
    session->done = true;
    if (end) {
        session->result->exit_status = end->exit_status;
        session->result->signal = end->signal;
    } else if (error->code == WR_E_DEADLINE_EXCEEDED && session->opts->process.timeout_ms) {
        session->result->timed_out = true;
    } else {
        session->error = *error;
    }
}

static const struct wr_process_ops process_ops = {
    .on_start = on_start,
    .on_output = on_output,
    .on_input_done = on_input_done,
    .on_end = on_end,
};

static void finish(struct wr_session *session)
{
    wr_keep_alive_stop(&session->keep_alive);
    end_input(session);
    session->process = wr_process_free(session->process);
    if (!session->fatal_signal) {
        wr_sink_flush(&session->out);
        wr_sink_flush(&session->err);
    }
    wr_sink_done(&session->out);
    wr_sink_done(&session->err);
    session->result->interrupted_by = session->fatal_signal;
}

int wr_session_run(struct wr_session *session, const struct wr_session_opts *opts,
                   struct wr_session_result *ret, struct wr_error *err)
{
    struct wr_loop *loop = wr_transport_loop(session->client);
    struct wr_process_opts process = opts->process;

    *ret = (struct wr_session_result){0};
    wr_buf_init(&ret->out, WR_SESSION_CAPTURE_MAX);
    wr_buf_init(&ret->err, WR_SESSION_CAPTURE_MAX);
    session->opts = opts;
    session->result = ret;
    wr_sink_init(&session->out, loop, STDOUT_FILENO, on_drain, session);
    wr_sink_init(&session->err, loop, STDERR_FILENO, on_drain, session);
    process.with_stdin = opts->forward_input;
    int r =
        wr_process_start(session->client, &process, &process_ops, session, &session->process, err);
    if (r == 0 && opts->keep_alive)
        wr_keep_alive_start(&session->keep_alive, session->client, process.sandbox_id);
    while (r == 0 && !session->done)
        r = wr_transport_step(session->client, -1, err);
    finish(session);
    if (session->fatal_signal) {
        wr_transport_interrupt(session->client, false);
        return 0;
    }
    if (r == 0 && session->error.code != WR_OK) {
        *err = session->error;
        r = wr_api_sandbox_explain_cut(session->client, process.sandbox_id, err);
    }
    return r;
}

void wr_session_result_done(struct wr_session_result *result)
{
    wr_buf_done(&result->out);
    wr_buf_done(&result->err);
}
