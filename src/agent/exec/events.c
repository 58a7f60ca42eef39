#include "agent/exec/events.h"

#include <signal.h>

#include "base/str.h"
#include "json/jwrite.h"

/* The names that clients compare with. */
static const struct {
    int signo;
    const char *name;
} signal_names[] = {
    {SIGHUP, "hangup"},
    {SIGINT, "interrupt"},
    {SIGQUIT, "quit"},
    {SIGILL, "illegal instruction"},
    {SIGTRAP, "trace/breakpoint trap"},
    {SIGABRT, "aborted"},
    {SIGBUS, "bus error"},
    {SIGFPE, "floating point exception"},
    {SIGKILL, "killed"},
    {SIGUSR1, "user defined signal 1"},
    {SIGSEGV, "segmentation fault"},
    {SIGUSR2, "user defined signal 2"},
    {SIGPIPE, "broken pipe"},
    {SIGALRM, "alarm clock"},
    {SIGTERM, "terminated"},
};

void wr_exit_text(const struct wr_exit *status, char *out, size_t cap)
{
    bool fits = true;
    if (status->code == CLD_EXITED) {
        fits = wr_strformat(out, cap, "exit status %d", status->status);
    } else {
        const char *core = status->code == CLD_DUMPED ? " (core dumped)" : "";
        const char *name = NULL;
        for (size_t i = 0; i < WR_ARRAY_SIZE(signal_names); i++) {
            if (signal_names[i].signo == status->status)
                name = signal_names[i].name;
        }
        fits = name ? wr_strformat(out, cap, "signal: %s%s", name, core)
                    : wr_strformat(out, cap, "signal: signal %d%s", status->status, core);
    }
    (void)fits; /* the longest text is 50 bytes */
}

static void open_event(struct wr_jw *w, struct wr_buf *out, const char *kind)
{
    wr_buf_clear(out);
    wr_jw_init(w, out);
    wr_jw_object(w);
    wr_jw_key(w, "event");
    wr_jw_object(w);
    wr_jw_key(w, kind);
    wr_jw_object(w);
}

static int close_event(struct wr_jw *w)
{
    wr_jw_end(w);
    wr_jw_end(w);
    wr_jw_end(w);
    return wr_jw_finish(w);
}

int wr_event_start(struct wr_buf *out, pid_t pid)
{
    struct wr_jw w;
    open_event(&w, out, "start");
    wr_jw_ku64(&w, "pid", (uint64_t)pid);
    return close_event(&w);
}

int wr_event_data(struct wr_buf *out, enum wr_stream stream, const char *data, size_t len)
{
    struct wr_jw w;
    open_event(&w, out, "data");
    wr_jw_key(&w, wr_stream_name(stream));
    wr_jw_base64(&w, data, len);
    return close_event(&w);
}

int wr_event_end(struct wr_buf *out, const struct wr_exit *status)
{
    struct wr_jw w;
    char text[64];
    bool exited = status->code == CLD_EXITED;
    int exit_code = exited ? status->status : -1;

    wr_exit_text(status, text, sizeof(text));
    open_event(&w, out, "end");
    if (exit_code != 0)
        wr_jw_ki64(&w, "exitCode", exit_code);
    if (exited)
        wr_jw_kbool(&w, "exited", true);
    wr_jw_kstr(&w, "status", text);
    if (exit_code != 0)
        wr_jw_kstr(&w, "error", text);
    return close_event(&w);
}

int wr_event_keepalive(struct wr_buf *out)
{
    struct wr_jw w;
    open_event(&w, out, "keepalive");
    return close_event(&w);
}
