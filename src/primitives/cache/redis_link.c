#include "primitives/cache/redis_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/tcp.h"
#include "primitives/cache/store.h"

#define PAUSE_FIRST_MS 100
#define PAUSE_MOST_MS  10000
#define READ_SIZE      (8 * 1024)
/* Of one answer: a value, or a page of keys. */
#define ANSWER_MAX     (WR_CACHE_VALUE_MAX + 64 * 1024)

/* ---- the socket ---- */

struct tcp_wait {
    struct wr_tcp tcp;
    int fd;
    bool done;
    struct wr_error error;
};

static void on_tcp(struct wr_tcp *tcp, int fd, const struct wr_error *error)
{
    struct tcp_wait *wait = wr_container_of(tcp, struct tcp_wait, tcp);

    wait->fd = fd;
    wait->done = true;
    if (fd < 0)
        wait->error = *error;
}

static int connect_tcp(const struct wr_redis_target *target, uint64_t end_ms, int *ret,
                       struct wr_error *err)
{
    uint64_t now = wr_mono_ms();
    struct tcp_wait wait = {.tcp.fn = on_tcp, .fd = -1};
    struct wr_loop *loop = NULL;
    int r = wr_loop_new(&loop, err);

    if (r == 0)
        r = wr_tcp_start(&wait.tcp, loop, target->host, target->port,
                         end_ms > now ? end_ms - now : 1, err);
    while (r == 0 && !wait.done)
        r = wr_loop_step(loop, -1, err);
    wr_tcp_cancel(&wait.tcp);
    wr_loop_free(loop);
    if (r < 0)
        return r;
    if (wait.fd < 0)
        return -(*err = wait.error).code;
    *ret = wait.fd;
    return 0;
}

static int connect_unix(const struct wr_redis_target *target, int *ret, struct wr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    wr_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "socket");
    if (!wr_strcopy(address.sun_path, sizeof address.sun_path, target->path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, ENAMETOOLONG, "%.100s", target->path);
    /* Succeeds or fails at once. */
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return wr_fail_errno(err, WR_E_UNAVAILABLE, "%.100s", target->path);
    *ret = wr_steal_fd(&fd);
    return 0;
}

/* Until it can be read or written. */
static int wait_for(const struct wr_redis_link *link, short events, uint64_t end_ms,
                    struct wr_error *err)
{
    struct pollfd fd = {.fd = link->fd, .events = events};
    uint64_t now = wr_mono_ms();
    int n = now < end_ms ? poll(&fd, 1, (int)(end_ms - now)) : 0;

    if (n > 0 || (n < 0 && errno == EINTR))
        return 0;
    if (n == 0)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "Redis did not answer within %llu ms",
                       (unsigned long long)link->call_ms);
    return wr_fail_errno(err, WR_E_INTERNAL, "poll");
}

static int send_all(const struct wr_redis_link *link, const char *data, size_t len, uint64_t end_ms,
                    struct wr_error *err)
{
    while (len > 0) {
        ssize_t n = send(link->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) {
            int r = wait_for(link, POLLOUT, end_ms, err);
            if (r < 0)
                return r;
        } else if (n < 0 && errno != EINTR) {
            return wr_fail_errno(err, WR_E_UNAVAILABLE, "Redis");
        }
        data += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Feeds the reader until there is an answer. */
static int receive(const struct wr_redis_link *link, uint64_t end_ms, redisReply **ret,
                   struct wr_error *err)
{
    char data[READ_SIZE];
    size_t total = 0;
    void *reply = NULL;

    for (;;) {
        if (redisReaderGetReply(link->reader, &reply) != REDIS_OK)
            return wr_fail(err, WR_E_UNAVAILABLE, 0, "Redis: %.100s", link->reader->errstr);
        if (reply) {
            *ret = reply;
            return 0;
        }
        int r = wait_for(link, POLLIN, end_ms, err);
        if (r < 0)
            return r;
        ssize_t n = recv(link->fd, data, sizeof data, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            continue;
        if (n < 0)
            return wr_fail_errno(err, WR_E_UNAVAILABLE, "Redis");
        if (n == 0)
            return wr_fail(err, WR_E_UNAVAILABLE, 0, "Redis closed the connection");
        total += (size_t)n;
        if (total > ANSWER_MAX)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "an answer of Redis is too long");
        if (redisReaderFeed(link->reader, data, (size_t)n) != REDIS_OK)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "Redis");
    }
}

static int talk(const struct wr_redis_link *link, const struct wr_redis_command *command,
                uint64_t end_ms, redisReply **ret, struct wr_error *err)
{
    const char *words[8];
    char *text = NULL;

    /* hiredis does not change them; its parameter is not const everywhere. */
    for (size_t i = 0; i < command->count; i++)
        words[i] = command->words[i];
    long long len = redisFormatCommandArgv(&text, (int)command->count, words, command->lens);
    if (len < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "Redis");
    int r = send_all(link, text, (size_t)len, end_ms, err);
    explicit_bzero(text, (size_t)len); /* it may be AUTH */
    redisFreeCommand(text);
    return r < 0 ? r : receive(link, end_ms, ret, err);
}

/* ---- the connection ---- */

void wr_redis_link_init(struct wr_redis_link *link)
{
    link->call_ms = WR_REDIS_CALL_MS;
    link->fd = -1;
    link->reader = NULL;
    link->not_before_ms = 0;
    link->failures = 0;
}

static void disconnect(struct wr_redis_link *link)
{
    wr_close(link->fd);
    link->fd = -1;
    if (link->reader)
        redisReaderFree(link->reader);
    link->reader = NULL;
}

void wr_redis_link_done(struct wr_redis_link *link)
{
    disconnect(link);
    explicit_bzero(&link->target, sizeof link->target);
}

static void note_failure(struct wr_redis_link *link)
{
    uint64_t pause = (uint64_t)PAUSE_FIRST_MS << WR_MIN(link->failures, 10U);

    disconnect(link);
    link->failures++;
    link->not_before_ms = wr_mono_ms() + WR_MIN(pause, (uint64_t)PAUSE_MOST_MS);
}

static int refused(const redisReply *reply, struct wr_error *err)
{
    return reply->type == REDIS_REPLY_ERROR
               ? wr_fail(err, WR_E_UNAVAILABLE, 0, "Redis: %.150s", reply->str)
               : 0;
}

/* A command whose answer is just yes. */
static int demand(const struct wr_redis_link *link, const struct wr_redis_command *command,
                  uint64_t end_ms, struct wr_error *err)
{
    redisReply *reply = NULL;

    int r = talk(link, command, end_ms, &reply, err);
    if (r == 0)
        r = refused(reply, err);
    freeReplyObject(reply);
    return r;
}

static int introduce(const struct wr_redis_link *link, uint64_t end_ms, struct wr_error *err)
{
    const struct wr_redis_target *target = &link->target;
    char db[16];
    int r = 0;

    if (*target->password && *target->user)
        r = demand(link, WR_REDIS_WORDS("AUTH", target->user, target->password), end_ms, err);
    else if (*target->password)
        r = demand(link, WR_REDIS_WORDS("AUTH", target->password), end_ms, err);
    if (r == 0 && target->db) {
        (void)snprintf(db, sizeof db, "%u", target->db);
        r = demand(link, WR_REDIS_WORDS("SELECT", db), end_ms, err);
    }
    return r;
}

static int make_connection(struct wr_redis_link *link, uint64_t end_ms, struct wr_error *err)
{
    const struct wr_redis_target *target = &link->target;

    if (wr_mono_ms() < link->not_before_ms)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "Redis could not be reached; it is tried again in a moment");
    int r = *target->path ? connect_unix(target, &link->fd, err)
                          : connect_tcp(target, end_ms, &link->fd, err);
    if (r == 0) {
        link->reader = redisReaderCreate();
        r = link->reader ? introduce(link, end_ms, err)
                         : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "Redis");
    }
    if (r < 0)
        note_failure(link);
    return r;
}

int wr_redis_call(struct wr_redis_link *link, const struct wr_redis_command *command,
                  redisReply **ret, struct wr_error *err)
{
    uint64_t end_ms = wr_mono_ms() + link->call_ms;
    bool waited = link->fd >= 0;
    redisReply *reply = NULL;
    int r = waited ? talk(link, command, end_ms, &reply, err) : 0;

    /* A server closes connections that do nothing: that is no failure yet. */
    if (r == -WR_E_UNAVAILABLE) {
        disconnect(link);
        waited = false;
    }
    if (!waited) {
        r = make_connection(link, end_ms, err);
        if (r < 0)
            return r;
        r = talk(link, command, end_ms, &reply, err);
    }
    if (r < 0) {
        note_failure(link);
        return r;
    }
    link->failures = 0;
    r = refused(reply, err);
    if (r < 0)
        freeReplyObject(reply);
    else
        *ret = reply;
    return r;
}
