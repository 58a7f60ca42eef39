/* The library without Python: a process of this program is the zygote, a child in new namespaces
 * the sandbox. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "nest/zygote/zygote.h"
#include "nest/zygote_protocol.h"
#include "sys/message.h"
#include "sys/syscall.h"
#include "test.h"

#define FIRST_ID   200000 /* of the sandbox, on the host */
#define TIMEOUT_MS 10000

struct sandbox {
    pid_t pid;
    int pidfd;
};

/* What a context tells about itself. */
struct report {
    uid_t uid, euid;
    pid_t parent, session, pid;
    unsigned descriptors;
    int setns_errno;
    char cwd[64];
    unsigned char random[16];
};

static unsigned char generator[16]; /* stands for numpy's */
static int before_calls, after_calls;

static void before(void)
{
    before_calls++;
}

static void after(void)
{
    after_calls++;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, strlen(text)), strlen(text));
    CHECK_INT(close(fd), 0);
}

static void sandbox_start(struct sandbox *ret)
{
    struct clone_args args = {
        .flags = (uint64_t)(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
                            CLONE_NEWUTS | CLONE_NEWNET | CLONE_PIDFD),
        .pidfd = (uint64_t)(uintptr_t)&ret->pidfd,
        .exit_signal = SIGCHLD,
    };
    char path[64], map[64];

    ret->pid = wr_clone3(&args);
    CHECK(ret->pid >= 0);
    if (ret->pid == 0) {
        struct sigaction reap = {.sa_handler = SIG_IGN};
        (void)sigaction(SIGCHLD, &reap, NULL);
        for (;;)
            pause();
    }
    snprintf(map, sizeof(map), "0 %d 65536", FIRST_ID);
    snprintf(path, sizeof(path), "/proc/%d/uid_map", ret->pid);
    write_file(path, map);
    snprintf(path, sizeof(path), "/proc/%d/gid_map", ret->pid);
    write_file(path, map);
}

/* Readable at its end means that no process of the sandbox is left. */
static void sandbox_end(struct sandbox *box)
{
    struct pollfd gone = {box->pidfd, POLLIN, 0};

    CHECK_INT(wr_pidfd_send_signal(box->pidfd, SIGKILL), 0);
    CHECK_INT(poll(&gone, 1, TIMEOUT_MS), 1);
    CHECK_INT(waitpid(box->pid, NULL, 0), box->pid);
}

/* In a context. */
static _Noreturn void tell(void)
{
    struct report report = {.uid = getuid(),
                            .euid = geteuid(),
                            .parent = getppid(),
                            .session = getsid(0),
                            .pid = getpid()};

    for (int fd = 0; fd < 256; fd++)
        report.descriptors += fcntl(fd, F_GETFD) >= 0;
    report.setns_errno = syscall(SYS_setns, 0, 0) < 0 ? errno : 0;
    if (!getcwd(report.cwd, sizeof(report.cwd)))
        _exit(3);
    memcpy(report.random, generator, sizeof(generator));
    _exit(before_calls == 1 && after_calls == 1 &&
                  write(3, &report, sizeof(report)) == (ssize_t)sizeof(report)
              ? 0
              : 4);
}

/* The zygote's process; *ret_sock is the nest's end of its socket. `extra` is a path that it keeps
 * open. */
static pid_t zygote_start(int *ret_sock, const char *extra)
{
    int pair[2];

    CHECK_INT(wr_message_pair(pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const struct wr_zygote_setup setup = {before, after, generator, sizeof(generator)};
        char text[WR_ZYGOTE_TEXT_SIZE] = "";
        if (dup2(pair[1], 3) != 3 || close_range(4, ~0U, 0) < 0 ||
            (extra && open(extra, O_RDONLY | O_CLOEXEC) < 0))
            _exit(2);
        int rc = wr_zygote_prepare(&setup, text);
        if (wr_zygote_report(rc, text) < 0 || rc < 0)
            _exit(5);
        rc = wr_zygote_serve();
        if (rc == 1)
            tell();
        _exit(rc == -ECONNRESET ? 0 : 6);
    }
    CHECK(pid > 0);
    close(pair[1]);
    *ret_sock = pair[0];
    return pid;
}

static struct wr_zygote_reply receive(int sock)
{
    struct wr_zygote_reply reply;
    int fds[WR_MESSAGE_MAX_FDS];
    size_t count;
    struct pollfd readable = {sock, POLLIN, 0};

    CHECK_INT(poll(&readable, 1, TIMEOUT_MS), 1);
    CHECK_INT(wr_message_recv(sock, &reply, sizeof(reply), fds, &count), sizeof(reply));
    CHECK_INT(reply.magic, WR_CONTEXT_MAGIC);
    return reply;
}

static void zygote_end(pid_t pid, int sock, int expected)
{
    int status = -1;

    close(sock);
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_INT(WEXITSTATUS(status), expected);
}

static int request_with(int sock, const struct sandbox *box, const int fds[3], uint32_t sequence)
{
    struct wr_zygote_request request = {
        .magic = WR_CONTEXT_MAGIC,
        .sequence = sequence,
        .rlimits = {.open_files = 100, .memlock_bytes = 65536},
        .context = {.magic = WR_CONTEXT_MAGIC,
                    .language = WR_ZYGOTE_PYTHON,
                    .uid = 1000,
                    .gid = 1000,
                    .group_count = 1,
                    .groups = {1000},
                    .cwd = "/usr"},
    };
    const int all[] = {box->pidfd, fds[0], fds[1], fds[2]};

    CHECK_INT(wr_message_send(sock, &request, sizeof(request), all, 4), 0);
    struct wr_zygote_reply reply = receive(sock);
    CHECK_INT(reply.sequence, sequence);
    return reply.result;
}

/* Asks for a context and reads what it tells; the result of the zygote. */
static int request_context(int sock, const struct sandbox *box, uint32_t sequence,
                           struct report *ret)
{
    int pair[2], out[2];

    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    int result = request_with(sock, box, (int[]){pair[1], out[1], out[1]}, sequence);
    close(pair[1]);
    close(out[1]);
    if (result == 0 && read(pair[0], ret, sizeof(*ret)) != (ssize_t)sizeof(*ret)) {
        char text[256] = "";
        CHECK(read(out[0], text, sizeof(text) - 1) >= 0);
        wr_test_fail(__FILE__, __LINE__, "no report: %s", text);
    }
    close(pair[0]);
    close(out[0]);
    return result;
}

TEST(a_context_is_a_process_of_the_sandbox)
{
    struct sandbox box;
    struct report first, second;
    int sock;

    NEEDS_ROOT();
    pid_t zygote = zygote_start(&sock, NULL);
    CHECK_INT(receive(sock).result, 0);
    sandbox_start(&box);
    CHECK_INT(request_context(sock, &box, 1, &first), 0);
    CHECK_INT(request_context(sock, &box, 2, &second), 0);
    CHECK_INT(first.uid, 1000);
    CHECK_INT(first.euid, 1000);
    CHECK_INT(first.parent, 1);
    CHECK_INT(first.session, first.pid);
    CHECK_INT(first.descriptors, 4);
    CHECK_INT(first.setns_errno, EPERM);
    CHECK_STR(first.cwd, "/usr");
    CHECK(second.pid != first.pid);
    CHECK(memcmp(first.random, second.random, sizeof(first.random)) != 0);
    sandbox_end(&box);
    zygote_end(zygote, sock, 0);
}

TEST(a_sandbox_that_is_gone_costs_an_answer_only)
{
    struct sandbox gone, box;
    struct report report;
    int sock;

    NEEDS_ROOT();
    pid_t zygote = zygote_start(&sock, NULL);
    CHECK_INT(receive(sock).result, 0);
    sandbox_start(&gone);
    sandbox_end(&gone);
    CHECK(request_context(sock, &gone, 1, &report) < 0);
    sandbox_start(&box);
    CHECK_INT(request_context(sock, &box, 2, &report), 0);
    sandbox_end(&box);
    zygote_end(zygote, sock, 0);
}

/* A TCP connection with unsent data and a linger time of a minute: closing it would take that long.
 */
static int lingering_socket(int *ret_peer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(address);
    struct linger linger = {1, 60};
    static const char data[1 << 16];
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(listener >= 0 && fd >= 0);
    CHECK_INT(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    CHECK_INT(listen(listener, 1), 0);
    CHECK_INT(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    *ret_peer = listener;
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while (write(fd, data, sizeof(data)) > 0)
        continue;
    CHECK_INT(fcntl(fd, F_SETFL, 0), 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    return fd;
}

TEST(descriptors_of_other_kinds_are_refused_and_closed_in_time)
{
    struct sandbox box;
    struct report report;
    int sock, out[2], pair[2], peer;

    NEEDS_ROOT();
    pid_t zygote = zygote_start(&sock, NULL);
    CHECK_INT(receive(sock).result, 0);
    sandbox_start(&box);
    CHECK_INT(pipe2(out, O_CLOEXEC), 0);
    CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(dir >= 0);
    CHECK_INT(request_with(sock, &box, (int[]){dir, out[1], out[1]}, 1), -ENOTSOCK);
    CHECK_INT(request_with(sock, &box, (int[]){pair[1], dir, out[1]}, 2), -ENOTSOCK);
    CHECK_INT(request_with(sock, &box, (int[]){pair[1], out[1], dir}, 3), -ENOTSOCK);

    /* The zygote's is the last descriptor of it: this one goes while the zygote cannot. */
    int lingering = lingering_socket(&peer);
    struct wr_zygote_request request = {.magic = WR_CONTEXT_MAGIC, .sequence = 4};
    CHECK_INT(kill(zygote, SIGSTOP), 0);
    CHECK_INT(waitpid(zygote, NULL, WUNTRACED), zygote);
    CHECK_INT(wr_message_send(sock, &request, sizeof(request), &lingering, 1), 0);
    CHECK_INT(close(lingering), 0);
    CHECK_INT(kill(zygote, SIGCONT), 0);
    CHECK_INT(receive(sock).result, -EINVAL);
    CHECK_INT(request_context(sock, &box, 5, &report), 0);
    close(peer);
    sandbox_end(&box);
    zygote_end(zygote, sock, 0);
}

TEST(what_is_no_request_ends_the_zygote)
{
    int sock;

    NEEDS_ROOT();
    pid_t zygote = zygote_start(&sock, NULL);
    CHECK_INT(receive(sock).result, 0);
    CHECK_INT(wr_message_send(sock, "hello", 5, NULL, 0), 0);
    zygote_end(zygote, sock, 6);
}

TEST(an_open_directory_is_refused_by_name)
{
    int sock;
    pid_t zygote = zygote_start(&sock, "/usr");
    struct wr_zygote_reply reply = receive(sock);

    CHECK_INT(reply.result, -EMFILE);
    CHECK_STR(reply.text, "what was imported keeps /usr open");
    zygote_end(zygote, sock, 5);
}

static void *sleep_forever(void *arg)
{
    for (;;)
        pause();
    return arg;
}

TEST(a_thread_is_refused)
{
    const struct wr_zygote_setup setup = {before, after, NULL, 0};
    char text[WR_ZYGOTE_TEXT_SIZE] = "";
    pthread_t thread;

    CHECK_INT(pthread_create(&thread, NULL, sleep_forever, NULL), 0);
    CHECK_INT(wr_zygote_prepare(&setup, text), -EBUSY);
    CHECK(strstr(text, "thread"));
}

TEST(texts_are_cut_and_printable)
{
    char text[400];
    int pair[2];

    CHECK_INT(wr_message_pair(pair), 0);
    int sock = fcntl(pair[0], F_DUPFD_CLOEXEC, 64);
    CHECK(sock >= 0 && dup2(pair[1], 3) == 3);
    memset(text, '\n', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    CHECK_INT(wr_zygote_report(-1, text), 0);
    struct wr_zygote_reply reply = receive(sock);
    CHECK_INT(strnlen(reply.text, sizeof(reply.text)), sizeof(reply.text) - 1);
    CHECK_INT(reply.text[0], '?');
    CHECK_INT(reply.sequence, 0);
}
