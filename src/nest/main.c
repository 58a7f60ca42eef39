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
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/checkpointable.h"
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
static bool serve(struct wr_nest *nest, int sock)
{
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;
    struct wr_nest_answer answer;
    ssize_t len = wr_message_recv(sock, &message, sizeof(message), fds, &fd_count);

    if (len == -EAGAIN || len == -EINTR)
        return true;
    bool ok = len >= (ssize_t)sizeof(message.request) && message.request.magic == WR_NEST_MAGIC &&
              message.request.config_len == (size_t)len - sizeof(message.request) &&
              message.request.id[WR_ID_LEN] == '\0';
    if (ok) {
        wr_nest_handle(nest, &message.request, message.payload, fds, fd_count, &answer);
        send_answer(sock, &answer);
    }
    for (size_t i = 0; i < fd_count; i++)
        wr_close(fds[i]);
    if (len > 0)
        explicit_bzero(&message, (size_t)len);
    return ok;
}

/* False when the nest was told to end. Its sandboxes end with it. */
static bool drain_signals(struct wr_nest *nest, int signal_fd)
{
    struct signalfd_siginfo info;
    bool go_on = true;

    while (read(signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        go_on = go_on && info.ssi_signo != SIGTERM;
    wr_children_reap(&nest->children);
    return go_on;
}

static bool any_child(const struct wr_nest *nest)
{
    for (size_t i = 0; i < nest->children.used; i++)
        if (nest->children.table[i].id[0])
            return true;
    return false;
}

/* New network namespaces are made only when no request came for so long: making one competes with
 * the start of a sandbox. */
#define REFILL_DELAY_MS 2

/* How long a nest without engine and without sandboxes waits for an engine to come back. */
#define ORPHAN_WAIT_MS 60000

static int serve_forever(struct wr_nest *nest, int signal_fd)
{
    int engine = -1;

    for (;;) {
        struct pollfd fds[] = {{LISTEN_FD, POLLIN, 0}, {signal_fd, POLLIN, 0}, {engine, POLLIN, 0}};
        bool refill = nest->netns.count < nest->netns.target;
        bool orphan = engine < 0 && !any_child(nest);
        int ready = poll(fds, WR_ARRAY_SIZE(fds),
                         refill   ? REFILL_DELAY_MS
                         : orphan ? ORPHAN_WAIT_MS
                                  : -1);
        if (ready < 0 && errno != EINTR)
            return 1;
        if (ready == 0 && refill)
            (void)wr_netns_refill(&nest->netns);
        else if (ready == 0 && orphan)
            return 0;
        if (ready <= 0)
            continue;
        if (fds[1].revents && !drain_signals(nest, signal_fd))
            return 0;
        if (fds[2].revents && !serve(nest, engine))
            engine = wr_close(engine);
        if (fds[0].revents) {
            int next = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC);
            if (next >= 0) {
                wr_close(engine);
                engine = next;
            }
        }
    }
}

int main(int argc, char **argv)
{
    static struct wr_nest nest;
    struct wr_error err = {0};
    int rc = start(&nest, argc, argv, &err);
    int signal_fd = open_signals();

    if (rc == 0 && signal_fd < 0)
        rc = wr_fail_errno(&err, WR_E_INTERNAL, "open a signalfd");
    (void)!write(STATUS_FD, &err, sizeof(err));
    close(STATUS_FD);
    return rc < 0 ? 1 : serve_forever(&nest, signal_fd);
}
