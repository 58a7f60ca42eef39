/*
 * The nest: parent of one template's sandboxes, root of a user namespace that spans all slots,
 * without any right on the host. It is started by the engine (engine/driver/native/nest_start.c)
 * with fd 3  a listening SOCK_SEQPACKET socket: one engine at a time; the newest connection wins,
 *   fd 4  a pipe for one struct wr_error: code 0 when it serves.
 * It outlives engines; it ends when nobody is connected and no sandbox is left (the engine that
 * went away was the last), with the cgroup, or by SIGTERM from the host, which systemd sends to
 * what is left at shutdown.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "nest/checkpointable.h"
#include "nest/hostile_close.h"
#include "nest/nest.h"
#include "nest/root.h"
#include "sys/message.h"
#include "sys/syscall.h"

#define LISTEN_FD 3
#define STATUS_FD 4

static struct {
    struct wr_nest_request request;
    char payload[WR_NEST_MAX_CONFIG];
} message; /* wiped after every request: the next sandbox is a fork of this process */

/* SIGTERM too: the end of a host would otherwise wait for a process that, being the first of its
 * namespace, ignores it. */
static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int start(struct wr_nest *nest, int argc, char **argv, struct wr_error *err)
{
    int rc = wr_make_mappings_private();

    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "make the nest's mappings private");
    if (wr_fd_set_cloexec(LISTEN_FD, true) < 0 || wr_fd_set_cloexec(STATUS_FD, true) < 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "descriptors 3 and 4 must be open");
    rc = wr_keyctl_join_session();
    if (rc < 0 && rc != -ENOSYS)
        return wr_fail(err, WR_E_INTERNAL, -rc, "start a session keyring");
    /* Without this the nest could not open /proc/<child>/uid_map: changing ids made it undumpable.
     */
    if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "become dumpable");
    /* Once here instead of in every agent: 15 us of each create. Who knows the seed can slow down
     * his own agent only. */
    json_object_seed(0);
    nest->argv0 = argv[0];
    nest->argv0_len = argc > 0 ? strlen(argv[0]) : 0;
    rc = wr_nest_root_enter(err);
    if (rc == 0)
        rc = wr_children_init(&nest->children, err);
    if (rc == 0)
        rc = wr_contexts_init(&nest->contexts, err);
    return rc ? rc : wr_netns_pool_init(&nest->netns, err);
}

static void send_answer(int sock, const struct wr_nest_answer *answer)
{
    if (!answer->silent)
        (void)!wr_message_send(sock, &answer->reply, sizeof(answer->reply), answer->fds,
                               answer->fd_count);
    wr_close(answer->owned_fd);
}

/* One message of the engine. False when it is gone or does not speak our language. */
static bool serve(struct wr_nest *nest)
{
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;
    struct wr_nest_answer answer;
    ssize_t len = wr_message_recv(nest->engine_fd, &message, sizeof(message), fds, &fd_count);

    if (len == -EAGAIN || len == -EINTR)
        return true;
    bool ok = len >= (ssize_t)sizeof(message.request) && message.request.magic == WR_NEST_MAGIC &&
              message.request.config_len == (size_t)len - sizeof(message.request) &&
              message.request.id[WR_ID_LEN] == '\0';
    if (ok) {
        wr_nest_handle(nest, &message.request, message.payload, fds, fd_count, &answer);
        send_answer(nest->engine_fd, &answer);
    }
    for (size_t i = 0; i < fd_count; i++)
        wr_close(fds[i]);
    if (len > 0)
        explicit_bzero(&message, (size_t)len);
    return ok;
}

static int watch(struct wr_nest *nest, int fd, enum wr_nest_event kind)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WR_NEST_EVENT(kind, 0)};

    return epoll_ctl(nest->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

/* -1: without another one. */
static void change_engine(struct wr_nest *nest, int next)
{
    if (nest->engine_fd >= 0)
        (void)!epoll_ctl(nest->epoll_fd, EPOLL_CTL_DEL, nest->engine_fd, NULL);
    wr_close(nest->engine_fd);
    nest->engine_fd = next;
    if (next >= 0 && watch(nest, next, WR_NEST_ON_ENGINE) < 0)
        nest->engine_fd = wr_close(next);
}

static void accept_engine(struct wr_nest *nest)
{
    int next = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);

    if (next >= 0)
        change_engine(nest, next);
}

static void reap(struct wr_nest *nest)
{
    int status = 0;
    pid_t pid = 0;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct wr_child *child = wr_children_find_pid(&nest->children, pid);
        if (wr_zygote_ended(nest, pid, status) || !child)
            continue; /* or a context whose zygote has ended */
        wr_contexts_unwatch(nest, child);
        wr_child_close(child);
    }
}

static void drain_signals(struct wr_nest *nest, int signal_fd)
{
    struct signalfd_siginfo info;

    while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        if (info.ssi_signo == SIGTERM)
            _exit(0); /* and its sandboxes with it */
    reap(nest);
}

static bool any_child(const struct wr_nest *nest)
{
    for (size_t i = 0; i < nest->children.used; i++)
        if (nest->children.table[i].id[0])
            return true;
    return false;
}

static void handle(struct wr_nest *nest, int signal_fd, uint64_t event)
{
    const size_t place = event & UINT32_MAX;

    switch ((enum wr_nest_event)(event >> 32)) {
    case WR_NEST_ON_LISTEN:
        accept_engine(nest);
        break;
    case WR_NEST_ON_SIGNAL:
        drain_signals(nest, signal_fd);
        break;
    case WR_NEST_ON_ENGINE:
        if (nest->engine_fd >= 0 && !serve(nest))
            change_engine(nest, -1);
        break;
    case WR_NEST_ON_ZYGOTE:
        wr_zygote_on_reply(nest);
        break;
    case WR_NEST_ON_CONNECT:
        wr_contexts_on_connect(nest, place);
        break;
    case WR_NEST_ON_MESSAGE:
        wr_contexts_on_message(nest, place);
        break;
    }
}

/* Ends of sandboxes first, so that their names are free again, then the engine: a create does not
 * wait for what sandboxes ask. */
#define LAST_TURN 2

static unsigned turn_of(uint64_t event)
{
    switch ((enum wr_nest_event)(event >> 32)) {
    case WR_NEST_ON_SIGNAL:
        return 0;
    case WR_NEST_ON_ENGINE:
        return 1;
    case WR_NEST_ON_LISTEN:
    case WR_NEST_ON_ZYGOTE:
    case WR_NEST_ON_CONNECT:
    case WR_NEST_ON_MESSAGE:
        break;
    }
    return LAST_TURN;
}

/* An agent could leave sockets that linger where the nest closes them without having seen them: in
 * messages that are refused, in connections that are not accepted. */
static void handle_all(struct wr_nest *nest, int signal_fd, const struct epoll_event *events,
                       int count)
{
    for (unsigned turn = 0; turn <= LAST_TURN; turn++) {
        wr_hostile_close_limit(turn != 1);
        for (int i = 0; i < count; i++)
            if (turn_of(events[i].data.u64) == turn)
                handle(nest, signal_fd, events[i].data.u64);
    }
    if (!wr_contexts_tick(nest))
        wr_zygote_kill(nest, "did not answer in time");
    wr_hostile_close_limit(false);
    wr_zygote_tick(nest);
}

/* New network namespaces are made only when no request came for so long: making one competes with
 * the start of a sandbox and, if there are enough left to wait for its end, with its first command.
 */
#define REFILL_DELAY_MS      4
#define REFILL_SOON_DELAY_MS 2

static int refill_delay_ms(const struct wr_nest *nest)
{
    return nest->netns.count < nest->netns.target / 2 ? REFILL_SOON_DELAY_MS : REFILL_DELAY_MS;
}

/* How long a nest without engine and without sandboxes waits for an engine to come back. */
#define ORPHAN_WAIT_MS 60000
#define ZYGOTE_TICK_MS 1000
#define EVENTS_MAX     32

static int wait_ms(const struct wr_nest *nest, bool refill, bool orphan)
{
    const int contexts = wr_contexts_wait_ms(&nest->contexts);

    if (refill)
        return refill_delay_ms(nest);
    if (contexts >= 0)
        return contexts;
    if (nest->zygote.state == WR_ZYGOTE_WARMING)
        return ZYGOTE_TICK_MS;
    return orphan ? ORPHAN_WAIT_MS : -1;
}

static int serve_forever(struct wr_nest *nest, int signal_fd)
{
    uint64_t orphan_since_ms = 0;

    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        const bool refill = nest->netns.count < nest->netns.target;
        const bool orphan = nest->engine_fd < 0 && !any_child(nest);
        if (!orphan)
            orphan_since_ms = 0;
        else if (orphan_since_ms == 0)
            orphan_since_ms = wr_mono_ms();
        int ready = epoll_wait(nest->epoll_fd, events, EVENTS_MAX, wait_ms(nest, refill, orphan));
        if (ready < 0 && errno != EINTR)
            return 1;
        if (ready == 0 && refill)
            (void)wr_netns_refill(&nest->netns);
        else if (ready == 0 && orphan && wr_mono_ms() - orphan_since_ms >= ORPHAN_WAIT_MS)
            return 0;
        handle_all(nest, signal_fd, events, WR_MAX(ready, 0));
    }
}

static int open_events(struct wr_nest *nest, int *ret_signal_fd, struct wr_error *err)
{
    const int signal_fd = open_signals();
    int rc = wr_hostile_close_init();

    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "handle signals");
    nest->engine_fd = nest->zygote.sock = nest->zygote.pidfd = -1;
    nest->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (signal_fd < 0 || nest->epoll_fd < 0 || watch(nest, LISTEN_FD, WR_NEST_ON_LISTEN) < 0 ||
        watch(nest, signal_fd, WR_NEST_ON_SIGNAL) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "watch signals and sockets");
    *ret_signal_fd = signal_fd;
    return 0;
}

int main(int argc, char **argv)
{
    static struct wr_nest nest;
    struct wr_error err = {0};
    int signal_fd = -1;
    int rc = start(&nest, argc, argv, &err);

    if (rc == 0)
        rc = open_events(&nest, &signal_fd, &err);
    (void)!write(STATUS_FD, &err, sizeof(err));
    close(STATUS_FD);
    return rc < 0 ? 1 : serve_forever(&nest, signal_fd);
}
