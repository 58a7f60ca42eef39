/* Requests for contexts, with this process as the sandbox's first process and as the zygote. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "nest/nest.h"
#include "nest/zygote_protocol.h"
#include "sys/message.h"
#include "test.h"

static struct wr_nest nest;
static struct wr_error err;
static struct wr_child *child;
static int zygote_end; /* the zygote's end of its socket */
static struct sockaddr_un address;
static socklen_t address_len;

static void bind_listener(int fd)
{
    char *name = address.sun_path + 1;
    int len = snprintf(name, sizeof(address.sun_path) - 1, "test-contexts-%d", (int)getpid());
    address.sun_family = AF_UNIX;
    address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
    CHECK(bind(fd, (struct sockaddr *)&address, address_len) == 0 && listen(fd, 16) == 0);
}

/* A nest with one sandbox, whose first process this is, and a zygote that stands ready. */
static void start(void)
{
    struct wr_child made = WR_CHILD_NONE;
    int pair[2];
    CHECK_INT(wr_children_init(&nest.children, &err), 0);
    CHECK_INT(wr_contexts_init(&nest.contexts, &err), 0);
    nest.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    nest.engine_fd = nest.zygote.pidfd = -1;
    memcpy(made.id, "aaaaaaaaaaaaaaaaaaaa", sizeof(made.id));
    made.pid = getpid();
    made.pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    made.tasks[made.v1_count++] = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    made.layers = 7;
    made.rlimits = (struct wr_nest_rlimits){100, 200};
    made.context_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bind_listener(made.context_fd);
    CHECK_INT(wr_children_add(&nest.children, &made, &err), 0);
    child = &nest.children.table[0];
    wr_contexts_watch(&nest, child);
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    nest.zygote.sock = pair[0];
    zygote_end = pair[1];
    nest.zygote.state = WR_ZYGOTE_READY;
    nest.zygote.layers = 7;
}

/* What the nest's loop does; true if there was something to do. */
static bool turn(void)
{
    struct epoll_event event;
    if (epoll_wait(nest.epoll_fd, &event, 1, 0) != 1)
        return false;
    const size_t place = event.data.u64 & UINT32_MAX;
    if (event.data.u64 >> 32 == WR_NEST_ON_CONNECT)
        wr_contexts_on_connect(&nest, place);
    else
        wr_contexts_on_message(&nest, place);
    return true;
}

static void serve(void)
{
    for (int i = 0; i < 1000 && turn(); i++)
        ;
}

static int dial(void)
{
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    CHECK(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, address_len) < 0)
        fd = wr_close(fd);
    return fd;
}

static struct wr_context_request sound_request(void)
{
    return (struct wr_context_request){.magic = WR_CONTEXT_MAGIC,
                                       .language = WR_ZYGOTE_PYTHON,
                                       .uid = 1000,
                                       .gid = 1000,
                                       .group_count = 1,
                                       .groups = {1000},
                                       .cwd = "/home/user"};
}

static void three_descriptors(int fds[static 3])
{
    int sockets[2], pipes[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) == 0);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    fds[0] = sockets[0];
    fds[1] = pipes[1];
    fds[2] = pipes[1];
}

static void send_request(int sock, const struct wr_context_request *request)
{
    int fds[3];
    three_descriptors(fds);
    CHECK_INT(wr_message_send(sock, request, sizeof(*request), fds, 3), 0);
}

#define CLOSED  1000
#define NOTHING 1001

/* The result that came, CLOSED or NOTHING. */
static int result_of(int sock)
{
    struct wr_context_reply reply;
    ssize_t len = recv(sock, &reply, sizeof(reply), 0);
    if (len < 0 && errno == EAGAIN)
        return NOTHING;
    if (len <= 0)
        return CLOSED;
    CHECK_INT(len, sizeof(reply));
    CHECK_INT(reply.magic, WR_CONTEXT_MAGIC);
    return reply.result;
}

static int ask(const struct wr_context_request *request)
{
    int sock = dial();
    send_request(sock, request);
    serve();
    return result_of(sock);
}

/* What arrived at the zygote; false if nothing did. */
static bool at_zygote(struct wr_zygote_request *ret, size_t *ret_fds)
{
    int fds[WR_MESSAGE_MAX_FDS];
    ssize_t len = wr_message_recv(zygote_end, ret, sizeof(*ret), fds, ret_fds);
    return len == (ssize_t)sizeof(*ret);
}

TEST(a_request_and_its_answer)
{
    struct wr_zygote_request request;
    const struct wr_context_request sent = sound_request();
    size_t fd_count = 0;
    start();
    int first = dial(), second = dial();
    send_request(first, &sent);
    send_request(second, &sent);
    serve();
    CHECK(at_zygote(&request, &fd_count));
    CHECK_INT(fd_count, 5); /* pidfd, three, one group */
    CHECK(request.sequence == 1 && request.v1_count == 1 && request.has_v2 == 0);
    CHECK(request.rlimits.open_files == 100 && request.rlimits.memlock_bytes == 200);
    CHECK(memcmp(&request.context, &sent, sizeof(sent)) == 0);
    CHECK(at_zygote(&request, &fd_count) && request.sequence == 2);
    /* The second is answered first; an answer to nobody is dropped. */
    wr_contexts_answer(&nest, 2, -ESRCH);
    wr_contexts_answer(&nest, 99, 0);
    CHECK_INT(result_of(first), NOTHING);
    CHECK_INT(result_of(second), -ESRCH);
    wr_contexts_answer(&nest, 1, 0);
    CHECK_INT(result_of(first), 0);
    CHECK(result_of(first) == CLOSED && result_of(second) == CLOSED);
    CHECK(child->open_requests == 0 && nest.contexts.open == 0);
}

TEST(what_is_not_a_request_is_refused)
{
    struct wr_zygote_request request;
    struct wr_context_request bad;
    size_t fd_count = 0;
    start();
#define REFUSED(change)              \
    do {                             \
        bad = sound_request();       \
        change;                      \
        CHECK(ask(&bad) == -EINVAL); \
    } while (0)
    REFUSED(bad.magic++);
    REFUSED(bad.language = 2);
    REFUSED(bad.uid = 65536);
    REFUSED(bad.gid = 65536);
    REFUSED(bad.group_count = WR_CONTEXT_MAX_GROUPS + 1);
    REFUSED(bad.groups[0] = 65536);
    REFUSED(bad.cwd[0] = 'x');
    REFUSED(memset(bad.cwd, '/', sizeof(bad.cwd)));
    CHECK(!at_zygote(&request, &fd_count));
    CHECK_INT(nest.contexts.open, 0);
}

static int ask_with(const void *bytes, size_t len, const int *fds, size_t fd_count)
{
    int sock = dial();
    CHECK_INT(wr_message_send(sock, bytes, len, fds, fd_count), 0);
    serve();
    return result_of(sock);
}

TEST(descriptors_are_what_they_should_be)
{
    const struct wr_context_request sent = sound_request();
    struct wr_zygote_request request;
    size_t fd_count = 0;
    int good[3], bad[4];
    start();
    three_descriptors(good);
    const int others[] = {open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                          open("/dev/null", O_WRONLY | O_CLOEXEC),
                          socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                          socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    CHECK_INT(ask_with(&sent, sizeof(sent), good, 2), -EINVAL);
    for (size_t place = 0; place < 3; place++)
        for (size_t i = 0; i < WR_ARRAY_SIZE(others); i++) {
            memcpy(bad, good, sizeof(good));
            bad[place] = others[i];
            CHECK_INT(ask_with(&sent, sizeof(sent), bad, 3), -EINVAL);
        }
    memcpy(bad, good, sizeof(good));
    bad[3] = good[1];
    CHECK_INT(ask_with(&sent, sizeof(sent), bad, 4), -EINVAL);
    CHECK_INT(ask_with(&sent, sizeof(sent) - 1, good, 3), -EINVAL);
    CHECK(!at_zygote(&request, &fd_count));
    /* A longer one is refused without an answer: nothing of it is read. */
    char longer[sizeof(sent) + 1] = "";
    CHECK_INT(ask_with(longer, sizeof(longer), good, 3), CLOSED);
    CHECK_INT(nest.contexts.open, 0);
}

TEST(none_of_the_descriptors_stay)
{
    const struct wr_context_request sent = sound_request();
    int pipes[2], fds[3];
    char byte;
    start();
    three_descriptors(fds);
    CHECK(pipe2(pipes, O_CLOEXEC) == 0);
    int sock = dial();
    CHECK_INT(wr_message_send(sock, &sent, sizeof(sent), (int[]){fds[0], pipes[1], pipes[1], 0}, 4),
              0);
    close(pipes[1]);
    serve();
    CHECK_INT(read(pipes[0], &byte, 1), 0); /* the end: nobody holds the other one */
}

/* Another process of the sandbox connects. */
TEST(only_the_first_process_is_served)
{
    const struct wr_context_request sent = sound_request();
    struct wr_zygote_request request;
    size_t fd_count = 0;
    int go[2];
    start();
    CHECK(pipe2(go, O_CLOEXEC) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        int sock = dial();
        send_request(sock, &sent);
        CHECK_INT(write(go[1], "g", 1), 1);
        while ((byte = (char)result_of(sock)) == (char)NOTHING)
            usleep(1000);
        _exit(byte == (char)CLOSED ? 0 : 1);
    }
    char byte;
    int status = -1;
    CHECK_INT(read(go[0], &byte, 1), 1);
    serve();
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    CHECK(!at_zygote(&request, &fd_count));
    CHECK_INT(nest.contexts.open, 0);
    /* Nor is an own connection refused afterwards. */
    CHECK_INT(ask(&sent), NOTHING);
}

TEST(a_sandbox_has_few_open_requests)
{
    const struct wr_context_request sent = sound_request();
    start();
    int socks[WR_CONTEXTS_PER_SANDBOX + 1];
    for (size_t i = 0; i < WR_ARRAY_SIZE(socks); i++)
        socks[i] = dial();
    serve();
    CHECK_INT(child->open_requests, WR_CONTEXTS_PER_SANDBOX);
    CHECK_INT(result_of(socks[WR_CONTEXTS_PER_SANDBOX]), -EAGAIN);
    /* One that goes away makes room. */
    close(socks[0]);
    serve();
    CHECK_INT(child->open_requests, WR_CONTEXTS_PER_SANDBOX - 1);
    CHECK_INT(ask(&sent), NOTHING);
}

TEST(connections_are_counted)
{
    start();
    size_t answered = 0;
    /* One after the other, so that they do not fill the queue. */
    for (int i = 0; i < 200 && !child->paused; i++) {
        int sock = dial();
        serve();
        close(sock);
        serve();
        answered++;
    }
    CHECK(child->paused && nest.contexts.paused == 1);
    CHECK(answered >= 64 && answered < 200);
    CHECK_INT(wr_contexts_wait_ms(&nest.contexts), 20);
    int sock = dial();
    CHECK(!turn()); /* it waits in the queue and wakes nobody */
    child->tokens_ms -= 1000;
    CHECK(wr_contexts_tick(&nest));
    CHECK(!child->paused && nest.contexts.paused == 0);
    serve();
    CHECK_INT(child->open_requests, 1);
    close(sock);
}

/* A full TCP connection whose close waits for a second; *ret_peer keeps it open. */
static int lingering_socket(int *ret_peer)
{
    static const char bytes[65536];
    const struct linger linger = {.l_onoff = 1, .l_linger = 1};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(to);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(listener, (struct sockaddr *)&to, len) == 0 && listen(listener, 1) == 0);
    CHECK(getsockname(listener, (struct sockaddr *)&to, &len) == 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, len) == 0);
    *ret_peer = accept(listener, NULL, NULL);
    while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) == 0);
    close(listener);
    return fd;
}

TEST(time_that_a_close_takes_is_charged)
{
    int peer = -1;
    start();
    child->pid++; /* so that the message is never looked at */
    int sock = dial(), fd = lingering_socket(&peer);
    CHECK_INT(wr_message_send(sock, "x", 1, &fd, 1), 0);
    close(fd);
    close(sock);
    CHECK(turn());
    CHECK(child->tokens < 0);
    sock = dial();
    CHECK(turn()); /* it is not taken */
    CHECK(child->paused);
    close(sock);
    close(peer);
}

TEST(time_runs_out)
{
    const struct wr_context_request sent = sound_request();
    start();
    int silent = dial(), asks = dial();
    send_request(asks, &sent);
    serve();
    CHECK_INT(nest.contexts.open, 2);
    CHECK_INT(wr_contexts_wait_ms(&nest.contexts), 100);
    CHECK(wr_contexts_tick(&nest));
    CHECK_INT(nest.contexts.open, 2);
    for (size_t i = 0; i < nest.contexts.used; i++)
        nest.contexts.calls[i].deadline_ms = 0;
    CHECK(!wr_contexts_tick(&nest)); /* the zygote is late */
    CHECK_INT(result_of(silent), CLOSED);
    CHECK_INT(result_of(asks), NOTHING);
    wr_contexts_answer_all(&nest, -EAGAIN);
    CHECK_INT(result_of(asks), -EAGAIN);
    CHECK_INT(wr_contexts_wait_ms(&nest.contexts), -1);
}

TEST(a_second_message_ends_the_call)
{
    const struct wr_context_request sent = sound_request();
    start();
    int sock = dial();
    send_request(sock, &sent);
    serve();
    send_request(sock, &sent);
    serve();
    CHECK_INT(result_of(sock), -EINVAL);
    CHECK_INT(nest.contexts.open, 0);
}

TEST(a_sandbox_that_ends_takes_its_calls_along)
{
    const struct wr_context_request sent = sound_request();
    start();
    int asks = dial(), waits = dial();
    send_request(asks, &sent);
    serve();
    wr_contexts_unwatch(&nest, child);
    wr_child_close(child);
    CHECK_INT(nest.contexts.open, 0);
    CHECK(result_of(asks) == CLOSED && result_of(waits) == CLOSED);
    CHECK_INT(dial(), -1); /* the name is free */
    wr_contexts_answer(&nest, 1, 0);
    wr_contexts_on_connect(&nest, 0);
    wr_contexts_on_message(&nest, 0);
}

TEST(without_a_zygote)
{
    static const struct {
        enum wr_zygote_state state;
        uint64_t layers;
        int result;
    } rows[] = {
        {WR_ZYGOTE_AWAITED, 7, -EAGAIN}, {WR_ZYGOTE_WARMING, 7, -EAGAIN},
        {WR_ZYGOTE_NONE, 7, -ENOENT},    {WR_ZYGOTE_READY, 8, -ENOENT},
        {WR_ZYGOTE_WARMING, 8, -ENOENT},
    };
    const struct wr_context_request sent = sound_request();
    start();
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        nest.zygote.state = rows[i].state;
        nest.zygote.layers = rows[i].layers;
        CHECK_INT(ask(&sent), rows[i].result);
    }
}

static void reply_as_zygote(uint32_t sequence, int result, const char *text)
{
    struct wr_zygote_reply reply = {
        .magic = WR_CONTEXT_MAGIC, .sequence = sequence, .result = result};
    snprintf(reply.text, sizeof(reply.text), "%s", text);
    CHECK_INT(wr_message_send(zygote_end, &reply, sizeof(reply), NULL, 0), 0);
    wr_zygote_on_reply(&nest);
}

/* The engine's end of the socket. */
static int connect_engine(void)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0);
    nest.engine_fd = pair[0];
    return pair[1];
}

TEST(life_of_a_zygote)
{
    const struct wr_context_request sent = sound_request();
    struct wr_nest_reply reply;
    start();
    int engine = connect_engine();
    memcpy(nest.zygote.id, "zzzzzzzzzzzzzzzzzzzz", sizeof(nest.zygote.id));
    nest.zygote.state = WR_ZYGOTE_WARMING;
    nest.zygote.pid = 12345;
    reply_as_zygote(0, 0, "");
    CHECK_INT(recv(engine, &reply, sizeof(reply), 0), sizeof(reply));
    CHECK(reply.kind == WR_NEST_ZYGOTE && reply.sequence == 0 && reply.count == 1);
    CHECK_STR(reply.entries[0].id, "zzzzzzzzzzzzzzzzzzzz");
    CHECK_INT(reply.error.code, 0);
    int asks = dial();
    send_request(asks, &sent);
    serve();
    CHECK(!wr_zygote_ended(&nest, 12346, 0));
    CHECK(wr_zygote_ended(&nest, 12345, SIGSEGV));
    CHECK_INT(result_of(asks), -EAGAIN);
    CHECK_INT(recv(engine, &reply, sizeof(reply), 0), sizeof(reply));
    CHECK(strstr(reply.error.msg, "signal 11"));
    CHECK_INT(nest.zygote.state, WR_ZYGOTE_AWAITED);
}

TEST(a_zygote_that_cannot_be_warmed)
{
    static const struct {
        int result, code;
        const char *text;
    } rows[] = {{-EIO, WR_E_FAILED_PRECONDITION, "No module named 'IPython'"},
                {-ENOENT, WR_E_NOT_FOUND, "the template has no python3"}};
    struct wr_nest_reply reply;
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        memset(&address, 0, sizeof(address));
        if (i > 0)
            wr_child_close(child);
        start();
        int engine = connect_engine();
        nest.zygote.state = WR_ZYGOTE_WARMING;
        nest.zygote.pid = 12345;
        reply_as_zygote(0, rows[i].result, rows[i].text);
        CHECK(wr_zygote_ended(&nest, 12345, 1 << 8));
        CHECK_INT(recv(engine, &reply, sizeof(reply), 0), sizeof(reply));
        CHECK_INT(reply.error.code, rows[i].code);
        CHECK_STR(reply.error.msg, rows[i].text);
        CHECK_INT(nest.zygote.state, WR_ZYGOTE_NONE);
    }
}
