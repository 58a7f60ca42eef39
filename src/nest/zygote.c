#include "nest/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "nest/clone.h"
#include "nest/nest.h"
#include "nest/zygote_child.h"
#include "nest/zygote_protocol.h"
#include "sys/message.h"
#include "sys/syscall.h"

#define WARM_TIMEOUT_MS 60000

/* A zygote that has grown by this factor since it was ready is exchanged: its memory is nobody's
 * limit, and every fork copies its page tables. */
#define GROWTH_MAX 2

/* The engine that is connected. One that is not asks for a new zygote when it comes. */
static void tell_engine(struct wr_nest *nest, const struct wr_error *error)
{
    struct wr_nest_reply reply = {
        .magic = WR_NEST_MAGIC, .kind = WR_NEST_ZYGOTE, .count = 1, .error = *error};

    memcpy(reply.entries[0].id, nest->zygote.id, sizeof(reply.entries[0].id));
    if (nest->engine_fd >= 0)
        (void)!wr_message_send(nest->engine_fd, &reply, sizeof(reply), NULL, 0);
}

static void close_socket(struct wr_nest *nest)
{
    if (nest->zygote.sock >= 0)
        (void)!epoll_ctl(nest->epoll_fd, EPOLL_CTL_DEL, nest->zygote.sock, NULL);
    nest->zygote.sock = wr_close(nest->zygote.sock);
}

/* Whoever waits asks again; by then another one is warming, or none will come. */
static void forget(struct wr_nest *nest, enum wr_zygote_state state)
{
    struct wr_zygote *z = &nest->zygote;

    close_socket(nest);
    wr_close(z->pidfd);
    *z = (struct wr_zygote){.state = state, .pidfd = -1, .sock = -1};
    wr_contexts_answer_all(nest, -EAGAIN);
}

void wr_zygote_kill(struct wr_nest *nest, const char *why)
{
    struct wr_zygote *z = &nest->zygote;

    if (z->pid == 0)
        return;
    if (z->reason.code == 0)
        (void)wr_fail(&z->reason, WR_E_UNAVAILABLE, 0, "the zygote %s", why);
    close_socket(nest); /* nothing that it still says counts */
    (void)!wr_pidfd_send_signal(z->pidfd, SIGKILL);
}

/* Of its own, not of the file that holds most of its memory. 0 when it cannot be told. */
static uint64_t own_pages(pid_t pid)
{
    char path[32], text[128];

    if (!wr_strformat(path, sizeof(path), "/proc/%d/statm", pid) ||
        wr_file_read_line(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return 0;
    char *p = strchr(text, ' ');
    const uint64_t resident = p ? strtoull(p, &p, 10) : 0;
    const uint64_t of_files = p ? strtoull(p, NULL, 10) : 0;
    return resident > of_files ? resident - of_files : 0;
}

static void check_growth(struct wr_nest *nest)
{
    const struct wr_zygote *z = &nest->zygote;

    if (z->pid != 0 && z->ready_pages > 0 && own_pages(z->pid) > GROWTH_MAX * z->ready_pages)
        wr_zygote_kill(nest, "has grown to twice its size");
}

static void run_zygote(const void *arg)
{
    wr_zygote_child_run(arg);
}

static int launch(struct wr_nest *nest, const struct wr_nest_request *request, const int *fds,
                  struct wr_error *err)
{
    struct wr_zygote *z = &nest->zygote;
    const size_t v1_count = request->v1_count;
    int pair[2];
    int rc = wr_message_pair(pair);

    if (rc < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "make a socket pair");
    wr_auto_close int ours = pair[0];
    wr_auto_close int theirs = pair[1];
    const struct wr_zygote_plan plan = {.request = request,
                                        .root_fd = fds[0],
                                        .seccomp_fd = fds[1 + v1_count + request->has_v2],
                                        .sock = theirs};
    const struct wr_clone_plan clone = {.flags = CLONE_NEWNS,
                                        .tasks = fds + 1,
                                        .v1_count = v1_count,
                                        .v2_dir = request->has_v2 ? fds[1 + v1_count] : -1,
                                        .netns_fd = -1,
                                        .run = run_zygote,
                                        .arg = &plan};
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WR_NEST_EVENT(WR_NEST_ON_ZYGOTE, 0)};
    rc = wr_fd_set_nonblock(ours, true);
    if (rc < 0 || epoll_ctl(nest->epoll_fd, EPOLL_CTL_ADD, ours, &event) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "watch the zygote's socket");
    pid_t pid = wr_nest_clone(nest, &clone, &z->pidfd, err);
    if (pid < 0)
        return pid;
    z->pid = pid;
    z->sock = wr_steal_fd(&ours);
    z->state = WR_ZYGOTE_WARMING;
    z->deadline_ms = wr_mono_ms() + WARM_TIMEOUT_MS;
    return 0;
}

void wr_zygote_replace(struct wr_nest *nest, const struct wr_nest_request *request, const int *fds,
                       size_t fd_count)
{
    struct wr_zygote *z = &nest->zygote;
    struct wr_error err = {0};

    wr_zygote_kill(nest, "was replaced");
    forget(nest, WR_ZYGOTE_NONE); /* the old process is reaped like any other */
    if (fd_count == 0)
        return;
    memcpy(z->id, request->id, sizeof(z->id));
    z->layers = request->layers;
    if (launch(nest, request, fds, &err) < 0)
        tell_engine(nest, &err);
}

int wr_zygote_forward(struct wr_nest *nest, const struct wr_child *child,
                      const struct wr_context_request *context, const int *fds,
                      uint32_t *ret_sequence)
{
    struct wr_zygote *z = &nest->zygote;
    struct wr_zygote_request request = {.magic = WR_CONTEXT_MAGIC,
                                        .v1_count = child->v1_count,
                                        .has_v2 = child->v2_dir >= 0,
                                        .no_clones = child->no_clones,
                                        .rlimits = child->rlimits,
                                        .context = *context};
    int all[4 + WR_CHILD_MAX_V1 + 1] = {child->pidfd, fds[0], fds[1], fds[2]};
    size_t count = 4;

    if (z->state == WR_ZYGOTE_AWAITED)
        return -EAGAIN;
    if (z->state == WR_ZYGOTE_NONE || z->layers != child->layers)
        return -ENOENT;
    if (z->state != WR_ZYGOTE_READY || z->sock < 0)
        return -EAGAIN;
    for (size_t i = 0; i < child->v1_count; i++)
        all[count++] = child->tasks[i];
    if (child->v2_dir >= 0)
        all[count++] = child->v2_dir;
    if (++z->sequence == 0)
        z->sequence = 1;
    request.sequence = z->sequence;
    int rc = wr_message_send(z->sock, &request, sizeof(request), all, count);
    explicit_bzero(&request, sizeof(request));
    if (rc == 0)
        *ret_sequence = z->sequence;
    /* A full queue, or one that has just died. */
    return rc == 0 ? 0 : -EAGAIN;
}

void wr_zygote_on_reply(struct wr_nest *nest)
{
    struct wr_zygote *z = &nest->zygote;
    struct wr_zygote_reply reply;
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;

    if (z->sock < 0)
        return; /* it was closed in the same round */
    ssize_t len = wr_message_recv(z->sock, &reply, sizeof(reply), fds, &fd_count);
    if (len == -EAGAIN)
        return;
    for (size_t i = 0; i < fd_count; i++)
        wr_close(fds[i]);
    if (len == 0) {
        wr_zygote_kill(nest, z->state == WR_ZYGOTE_READY ? "ended" : "ended while it was warmed");
    } else if (len != (ssize_t)sizeof(reply) || reply.magic != WR_CONTEXT_MAGIC) {
        wr_zygote_kill(nest, "sent something else than answers");
    } else if (reply.sequence != 0) {
        wr_contexts_answer(nest, reply.sequence, reply.result);
        check_growth(nest);
    } else if (reply.result < 0) {
        reply.text[sizeof(reply.text) - 1] = '\0';
        (void)wr_fail(&z->reason,
                      reply.result == -ENOENT ? WR_E_NOT_FOUND : WR_E_FAILED_PRECONDITION, 0, "%s",
                      reply.text);
        wr_zygote_kill(nest, reply.text);
    } else if (z->state == WR_ZYGOTE_WARMING) {
        z->state = WR_ZYGOTE_READY;
        z->ready_pages = own_pages(z->pid);
        tell_engine(nest, &(struct wr_error){0});
    }
}

bool wr_zygote_ended(struct wr_nest *nest, pid_t pid, int status)
{
    struct wr_zygote *z = &nest->zygote;

    if (z->pid != pid)
        return false;
    /* What it has said before its end is not read yet. */
    for (int i = 0; i < 2 && z->sock >= 0 && z->reason.code == 0; i++)
        wr_zygote_on_reply(nest);
    const bool was_ready = z->state == WR_ZYGOTE_READY;
    struct wr_error error = z->reason;
    if (WIFSIGNALED(status) && (error.code == 0 || WTERMSIG(status) != SIGKILL))
        (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the zygote was killed by signal %d%s",
                      WTERMSIG(status), was_ready ? "" : " while it was warmed");
    else if (error.code == 0)
        (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the zygote ended with status %d%s",
                      WEXITSTATUS(status), was_ready ? "" : " while it was warmed");
    tell_engine(nest, &error);
    /* The engine starts another one after a crash. One that cannot be warmed is not waited for. */
    forget(nest, was_ready ? WR_ZYGOTE_AWAITED : WR_ZYGOTE_NONE);
    return true;
}

void wr_zygote_tick(struct wr_nest *nest)
{
    struct wr_zygote *z = &nest->zygote;

    if (z->state == WR_ZYGOTE_WARMING && z->pid != 0 && wr_mono_ms() >= z->deadline_ms)
        wr_zygote_kill(nest, "was not warmed within a minute");
}
