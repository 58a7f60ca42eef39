#include "client/http_script.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test.h"

struct peer {
    int fd;
    char in[HTTP_SCRIPT_REQUEST_MAX];
    size_t len;
};

/* Bytes of the whole request at the front of `in`; 0: there is more to come. */
static size_t request_len(const struct peer *peer)
{
    const char *end = memmem(peer->in, peer->len, "\r\n\r\n", 4);
    size_t body = 0;

    if (!end)
        return 0;
    size_t head = (size_t)(end - peer->in) + 4;
    for (const char *line = peer->in; line < end; line++)
        if (strncasecmp(line, "\nContent-Length:", 16) == 0)
            body = strtoul(line + 16, NULL, 10);
    return peer->len >= head + body ? head + body : 0;
}

static void drop(struct peer *peer)
{
    close(peer->fd);
    peer->fd = -1;
    peer->len = 0;
}

/* The mark of the creation that was asked for first, where an answer has room for it. */
static void put_mark(const struct http_script *script, char *whole)
{
    static const char before[] = "\"warren.create\":\"";
    char *room = strstr(whole, HTTP_SCRIPT_MARK);
    const char *mark = strstr(script->requests[0], before);

    if (room && mark)
        memcpy(room, mark + strlen(before), strlen(HTTP_SCRIPT_MARK));
}

/* With the length of the body in place of the question mark. */
static bool send_answer(const struct http_script *script, int fd, const char *answer)
{
    const char *mark = strstr(answer, "Content-Length: ?\r\n\r\n");
    char *whole = NULL;
    int len = 0;

    if (mark) {
        const char *body = mark + strlen("Content-Length: ?\r\n\r\n");
        len = asprintf(&whole, "%.*sContent-Length: %zu\r\n\r\n%s", (int)(mark - answer), answer,
                       strlen(body), body);
    } else {
        len = asprintf(&whole, "%s", answer);
    }
    CHECK(len >= 0);
    put_mark(script, whole);
    bool sent = send(fd, whole, (size_t)len, MSG_NOSIGNAL) == len;
    free(whole);
    return sent;
}

static void answer(struct http_script *script, struct peer *peer, size_t len)
{
    const struct http_step *step = &script->steps[script->seen];

    if (script->seen == script->count || strncmp(peer->in, step->request, strlen(step->request))) {
        snprintf(script->wrong, sizeof script->wrong, "request %zu is \"%.80s\", not \"%s\"",
                 script->seen, peer->in, script->seen < script->count ? step->request : "");
        drop(peer);
        return;
    }
    memcpy(script->requests[script->seen], peer->in, len);
    script->requests[script->seen][len] = '\0';
    script->seen++;
    memmove(peer->in, peer->in + len, peer->len - len);
    peer->len -= len;
    if (step->answer && !send_answer(script, peer->fd, step->answer))
        snprintf(script->wrong, sizeof script->wrong, "the client has left");
    if (!step->answer || step->close)
        drop(peer);
}

static void receive(struct http_script *script, struct peer *peer)
{
    ssize_t n = recv(peer->fd, peer->in + peer->len, sizeof peer->in - 1 - peer->len, 0);

    if (n <= 0) {
        drop(peer);
        return;
    }
    peer->len += (size_t)n;
    peer->in[peer->len] = '\0';
    for (size_t len = request_len(peer); peer->fd >= 0 && len > 0; len = request_len(peer))
        answer(script, peer, len);
}

static void welcome(struct http_script *script, struct peer *peers)
{
    int fd = accept4(script->fd, NULL, NULL, SOCK_CLOEXEC);

    script->connections++;
    for (size_t i = 0; fd >= 0 && i < HTTP_SCRIPT_CONNECTIONS; i++) {
        if (peers[i].fd < 0) {
            peers[i].fd = fd;
            return;
        }
    }
    close(fd);
}

static void *serve(void *data)
{
    static __thread struct peer peers[HTTP_SCRIPT_CONNECTIONS];
    struct http_script *script = data;

    for (size_t i = 0; i < HTTP_SCRIPT_CONNECTIONS; i++)
        peers[i].fd = -1;
    for (;;) {
        struct pollfd fds[HTTP_SCRIPT_CONNECTIONS + 2] = {{.fd = script->stop_fd, .events = POLLIN},
                                                          {.fd = script->fd, .events = POLLIN}};
        for (size_t i = 0; i < HTTP_SCRIPT_CONNECTIONS; i++)
            fds[i + 2] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
        if (poll(fds, HTTP_SCRIPT_CONNECTIONS + 2, -1) < 0)
            continue;
        if (fds[0].revents)
            break;
        if (fds[1].revents)
            welcome(script, peers);
        for (size_t i = 0; i < HTTP_SCRIPT_CONNECTIONS; i++)
            if (peers[i].fd >= 0 && fds[i + 2].revents)
                receive(script, &peers[i]);
    }
    for (size_t i = 0; i < HTTP_SCRIPT_CONNECTIONS; i++)
        if (peers[i].fd >= 0)
            drop(&peers[i]);
    return NULL;
}

struct http_script *http_script_start(const struct http_step *steps, size_t count)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct http_script *script = calloc(1, sizeof *script);
    socklen_t len = sizeof address;

    CHECK(script != NULL && count <= HTTP_SCRIPT_STEPS);
    memcpy(script->steps, steps, count * sizeof steps[0]);
    script->count = count;
    script->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    script->stop_fd = eventfd(0, EFD_CLOEXEC);
    CHECK(bind(script->fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(script->fd, 16) == 0);
    CHECK(getsockname(script->fd, (struct sockaddr *)&address, &len) == 0);
    snprintf(script->url, sizeof script->url, "http://127.0.0.1:%d", ntohs(address.sin_port));
    CHECK(pthread_create(&script->thread, NULL, serve, script) == 0);
    return script;
}

void http_script_end(struct http_script *script)
{
    const uint64_t one = 1;

    CHECK(write(script->stop_fd, &one, sizeof one) == (ssize_t)sizeof one);
    CHECK(pthread_join(script->thread, NULL) == 0);
    close(script->fd);
    close(script->stop_fd);
    if (script->wrong[0])
        wr_test_fail(__FILE__, __LINE__, "%s", script->wrong);
    CHECK_INT(script->seen, script->count);
    free(script);
}
