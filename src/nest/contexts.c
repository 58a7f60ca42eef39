#include "nest/contexts.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fd.h"
#include "nest/nest.h"
#include "nest/unforked.h"
#include "nest/zygote_protocol.h"
#include "sys/message.h"

#define MESSAGE_TIMEOUT_MS 1000  /* from the connection to its message */
#define ANSWER_TIMEOUT_MS  10000 /* of the zygote; a fork takes milliseconds */
#define CALL_TICK_MS       100
#define PAUSE_TICK_MS      20

/* Connections per sandbox: so many at once, then so many per second. */
#define BURST      64
#define PER_SECOND 20
#define TOKEN      1000 /* one connection; so PER_SECOND is also what a millisecond brings */
#define CHARGED_MS 10   /* shorter rounds are nobody's fault: others had the processor */

/* Context socket, standard output, standard error. */
#define CONTEXT_FDS 3

int wr_contexts_init(struct wr_contexts *contexts, struct wr_error *err)
{
    void *calls = NULL;
    int rc = wr_unforked_new(WR_CONTEXTS_MAX * sizeof(struct wr_context_call),
                             "the table of requests", &calls, err);

    if (rc == 0)
        *contexts = (struct wr_contexts){.calls = calls};
    return rc;
}

static uint32_t place_of(const struct wr_nest *nest, const struct wr_child *child)
{
    return (uint32_t)(child - nest->children.table);
}

static void listen_to(struct wr_nest *nest, struct wr_child *child, int operation, uint32_t events)
{
    struct epoll_event event = {
        .events = events, .data.u64 = WR_NEST_EVENT(WR_NEST_ON_CONNECT, place_of(nest, child))};

    /* A failure costs this sandbox its forked contexts only. */
    (void)!epoll_ctl(nest->epoll_fd, operation, child->context_fd, &event);
}

void wr_contexts_watch(struct wr_nest *nest, struct wr_child *child)
{
    child->tokens = BURST * TOKEN;
    child->tokens_ms = wr_mono_ms();
    listen_to(nest, child, EPOLL_CTL_ADD, EPOLLIN);
}

static void set_paused(struct wr_nest *nest, struct wr_child *child, bool paused)
{
    if (child->paused == paused)
        return;
    child->paused = paused;
    nest->contexts.paused += paused ? 1 : (size_t)-1;
    listen_to(nest, child, EPOLL_CTL_MOD, paused ? 0 : EPOLLIN);
}

static void end_call(struct wr_nest *nest, struct wr_context_call *call)
{
    nest->children.table[call->child].open_requests--;
    nest->contexts.open--;
    (void)!epoll_ctl(nest->epoll_fd, EPOLL_CTL_DEL, call->fd, NULL);
    wr_close(call->fd);
    *call = (struct wr_context_call){0};
}

/* The connection does not block: whoever does not read gets no answer. */
static void answer(int fd, int result)
{
    const struct wr_context_reply reply = {.magic = WR_CONTEXT_MAGIC, .result = result};

    (void)!wr_message_send(fd, &reply, sizeof(reply), NULL, 0);
}

static void answer_call(struct wr_nest *nest, struct wr_context_call *call, int result)
{
    answer(call->fd, result);
    end_call(nest, call);
}

void wr_contexts_unwatch(struct wr_nest *nest, struct wr_child *child)
{
    const uint32_t place = place_of(nest, child);

    for (size_t i = 0; i < nest->contexts.used && child->open_requests > 0; i++)
        if (nest->contexts.calls[i].fd && nest->contexts.calls[i].child == place)
            end_call(nest, &nest->contexts.calls[i]);
    set_paused(nest, child, false);
    (void)!epoll_ctl(nest->epoll_fd, EPOLL_CTL_DEL, child->context_fd, NULL);
}

static void count_tokens(struct wr_child *child)
{
    const uint64_t now = wr_mono_ms();
    const int64_t gained = (int64_t)(now - child->tokens_ms) * PER_SECOND;

    child->tokens = WR_MIN((int64_t)BURST * TOKEN, child->tokens + gained);
    child->tokens_ms = now;
}

/* Closing what came with a message may take until the clock of main.c ends it. A millisecond of
 * that costs as much as a connection, so a sandbox gets a twentieth of the nest's time. */
static void charge(struct wr_child *child, uint64_t began_ms)
{
    const uint64_t took_ms = wr_mono_ms() - began_ms;

    if (took_ms >= CHARGED_MS)
        child->tokens -= (int64_t)took_ms * TOKEN;
}

/* As the kernel noted it when the connection was made, in ids of the nest's pid namespace. */
static bool is_first_process(int fd, const struct wr_child *child)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid == child->pid;
}

static struct wr_context_call *free_place(struct wr_contexts *contexts)
{
    for (size_t i = 0; i < contexts->used; i++)
        if (!contexts->calls[i].fd)
            return &contexts->calls[i];
    return contexts->used < WR_CONTEXTS_MAX ? &contexts->calls[contexts->used++] : NULL;
}

/* The connection becomes a call; false when there is no room for it. */
static bool begin_call(struct wr_nest *nest, struct wr_child *child, int fd)
{
    struct wr_context_call *call =
        child->open_requests < WR_CONTEXTS_PER_SANDBOX ? free_place(&nest->contexts) : NULL;

    if (!call)
        return false;
    struct epoll_event event = {
        .events = EPOLLIN,
        .data.u64 = WR_NEST_EVENT(WR_NEST_ON_MESSAGE, (uint32_t)(call - nest->contexts.calls))};
    if (epoll_ctl(nest->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        return false;
    *call = (struct wr_context_call){
        .fd = fd, .child = place_of(nest, child), .deadline_ms = wr_mono_ms() + MESSAGE_TIMEOUT_MS};
    child->open_requests++;
    nest->contexts.open++;
    return true;
}

static void accept_one(struct wr_nest *nest, struct wr_child *child)
{
    wr_auto_close int fd = accept4(child->context_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    child->tokens -= TOKEN;
    if (!is_first_process(fd, child))
        return;
    if (begin_call(nest, child, fd))
        (void)wr_steal_fd(&fd);
    else
        answer(fd, -EAGAIN);
}

void wr_contexts_on_connect(struct wr_nest *nest, size_t place)
{
    struct wr_child *child = &nest->children.table[place];

    if (!child->id[0])
        return; /* it ended in the same round */
    count_tokens(child);
    if (child->tokens < TOKEN) {
        set_paused(nest, child, true);
        return;
    }
    accept_one(nest, child);
    charge(child, child->tokens_ms);
}

/* ---- One message ---- */

static bool is_fifo(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode);
}

static bool is_unix_stream(int fd)
{
    int domain = 0, type = 0;
    socklen_t domain_len = sizeof(domain), type_len = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) == 0 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && domain == AF_UNIX &&
           type == SOCK_STREAM;
}

/* Root of the sandbox is as good as any id; others than its own have no meaning inside. */
static bool ids_are_of_the_sandbox(const struct wr_context_request *request)
{
    bool sound = request->uid < WR_SLOT_IDS && request->gid < WR_SLOT_IDS &&
                 request->group_count <= WR_CONTEXT_MAX_GROUPS;

    for (uint32_t i = 0; sound && i < request->group_count; i++)
        sound = request->groups[i] < WR_SLOT_IDS;
    return sound;
}

static bool request_is_sound(const struct wr_context_request *request, ssize_t len, const int *fds,
                             size_t fd_count)
{
    return len == (ssize_t)sizeof(*request) && request->magic == WR_CONTEXT_MAGIC &&
           request->language == WR_ZYGOTE_PYTHON && ids_are_of_the_sandbox(request) &&
           memchr(request->cwd, '\0', sizeof(request->cwd)) && request->cwd[0] == '/' &&
           fd_count == CONTEXT_FDS && is_unix_stream(fds[0]) && is_fifo(fds[1]) && is_fifo(fds[2]);
}

/* A socket that lingers would hold the nest for as long as its maker likes; main.c has a clock
 * against those that cannot be reached here. */
static void close_untrusted(const int *fds, size_t count)
{
    const struct linger off = {0};

    for (size_t i = 0; i < count; i++) {
        (void)setsockopt(fds[i], SOL_SOCKET, SO_LINGER, &off, sizeof(off));
        wr_close(fds[i]);
    }
}

static void receive(struct wr_nest *nest, struct wr_context_call *call)
{
    struct wr_context_request request;
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;

    ssize_t len = wr_message_recv(call->fd, &request, sizeof(request), fds, &fd_count);
    if (len == -EAGAIN)
        return;
    int result = -EINVAL;
    /* A second message, or the end while the zygote works: nobody wants the answer. */
    const bool first = len > 0 && call->sequence == 0;
    if (first && request_is_sound(&request, len, fds, fd_count))
        result = wr_zygote_forward(nest, &nest->children.table[call->child], &request, fds,
                                   &call->sequence);
    close_untrusted(fds, fd_count);
    explicit_bzero(&request, sizeof(request));
    if (first && result == 0)
        call->deadline_ms = wr_mono_ms() + ANSWER_TIMEOUT_MS;
    else if (len > 0)
        answer_call(nest, call, result);
    else
        end_call(nest, call);
}

void wr_contexts_on_message(struct wr_nest *nest, size_t place)
{
    struct wr_context_call *call = &nest->contexts.calls[place];
    const uint64_t began_ms = wr_mono_ms();

    if (!call->fd)
        return; /* it ended in the same round */
    struct wr_child *child = &nest->children.table[call->child];
    receive(nest, call);
    charge(child, began_ms);
}

/* ---- Answers and time ---- */

void wr_contexts_answer(struct wr_nest *nest, uint32_t sequence, int result)
{
    for (size_t i = 0; i < nest->contexts.used; i++) {
        struct wr_context_call *call = &nest->contexts.calls[i];
        if (call->fd && call->sequence == sequence)
            answer_call(nest, call, result);
    }
}

void wr_contexts_answer_all(struct wr_nest *nest, int result)
{
    for (size_t i = 0; i < nest->contexts.used; i++) {
        struct wr_context_call *call = &nest->contexts.calls[i];
        if (call->fd && call->sequence)
            answer_call(nest, call, result);
    }
}

bool wr_contexts_tick(struct wr_nest *nest)
{
    const uint64_t now = wr_mono_ms();
    bool on_time = true;

    for (size_t i = 0; nest->contexts.open > 0 && i < nest->contexts.used; i++) {
        struct wr_context_call *call = &nest->contexts.calls[i];
        if (!call->fd || now < call->deadline_ms)
            continue;
        if (call->sequence)
            on_time = false; /* the caller ends the zygote, which answers everybody */
        else
            end_call(nest, call);
    }
    for (size_t i = 0; nest->contexts.paused > 0 && i < nest->children.used; i++) {
        struct wr_child *child = &nest->children.table[i];
        if (!child->id[0] || !child->paused)
            continue;
        count_tokens(child);
        if (child->tokens >= TOKEN)
            set_paused(nest, child, false);
    }
    return on_time;
}

int wr_contexts_wait_ms(const struct wr_contexts *contexts)
{
    if (contexts->paused > 0)
        return PAUSE_TICK_MS;
    return contexts->open > 0 ? CALL_TICK_MS : -1;
}
