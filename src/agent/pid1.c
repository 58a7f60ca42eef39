#include "agent/pid1.h"

#include <signal.h>
#include <sys/wait.h>

#include "agent/exec/limits.h"

static void reap(struct wr_pid1 *pid1)
{
    /* Bounded: whoever makes zombies faster than they are reaped must not keep the loop from its
     * other work. */
    for (int i = 0; i < WR_EXEC_REAP_ROUND; i++) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
            return;
        struct wr_exit status = {.code = info.si_code, .status = info.si_status};
        wr_process_table_reaped(pid1->processes, info.si_pid, &status);
    }
    wr_idle_queue(pid1->loop, &pid1->again);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    reap(data);
}

static void on_signal(int signo, void *data)
{
    (void)signo;
    reap(data);
}

int wr_pid1_init(struct wr_pid1 *pid1, struct wr_loop *loop, struct wr_process_table *processes,
                 struct wr_error *err)
{
    static const int signos[] = {SIGCHLD, 0};

    *pid1 = (struct wr_pid1){
        .loop = loop, .processes = processes, .again = {.fn = on_idle, .data = pid1}};
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return wr_fail_errno(err, WR_E_INTERNAL, "ignore SIGPIPE");
    return wr_signals_add(loop, &pid1->signals, signos, on_signal, pid1, err);
}

void wr_pid1_done(struct wr_pid1 *pid1)
{
    wr_idle_cancel(&pid1->again);
    wr_signals_remove(&pid1->signals);
}
