/*
 * What runs inside the sandboxes while they are loaded and measured; static, so that it runs in any
 * template.
 *
 *   guest http PORT [ADDRESS]   HTTP/1.1 on ADDRESS (127.0.0.1): GET /hello; GET /bytes/N; Upgrade:
 *                               websocket echoes what it gets
 *   guest emit MARKER MS [N]    a line "MARKER NUMBER" every MS milliseconds, MS 0: without pause;
 *                               N lines, else without end
 *
 * The WebSocket answer is that of RFC 6455's example key, which the clients here use.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS   4096
#define IN_SIZE   (16 * 1024)
#define OUT_SIZE  (32 * 1024)
#define FILL_SIZE (64 * 1024)

struct conn {
    int fd;
    bool websocket;
    size_t in_len, out_len;
    uint64_t fill; /* bytes of a body that are still due */
    char in[IN_SIZE];
    char out[OUT_SIZE];
};

static struct conn *conns[MAX_FDS];
static char fill_bytes[FILL_SIZE];
static int epoll_fd;

static void drop(struct conn *c)
{
    conns[c->fd] = NULL;
    close(c->fd);
    free(c);
}

static bool put(struct conn *c, const void *data, size_t len)
{
    if (len > OUT_SIZE - c->out_len)
        return false;
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    return true;
}

/* False when the connection is over. */
static bool flush(struct conn *c)
{
    while (c->out_len > 0 || c->fill > 0) {
        const char *data = c->out_len > 0 ? c->out : fill_bytes;
        size_t len = c->out_len > 0 ? c->out_len : c->fill < FILL_SIZE ? c->fill : FILL_SIZE;
        ssize_t n = send(c->fd, data, len, MSG_NOSIGNAL);

        if (n < 0)
            return errno == EAGAIN;
        if (c->out_len > 0) {
            c->out_len -= (size_t)n;
            memmove(c->out, c->out + n, c->out_len);
        } else {
            c->fill -= (uint64_t)n;
        }
    }
    return true;
}

static bool answer(struct conn *c, const char *request)
{
    static const char hello[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                                "Content-Length: 5\r\n\r\nhello";
    static const char missing[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    static const char switched[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                                   "Connection: Upgrade\r\n"
                                   "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    char head[128];

    if (strcasestr(request, "\r\nUpgrade: websocket")) {
        c->websocket = true;
        return put(c, switched, sizeof switched - 1);
    }
    if (strncmp(request, "GET /bytes/", 11) == 0) {
        c->fill = strtoull(request + 11, NULL, 10);
        int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\n\r\n",
                           (unsigned long long)c->fill);
        return put(c, head, (size_t)len);
    }
    if (strncmp(request, "GET /hello", 10) == 0)
        return put(c, hello, sizeof hello - 1);
    return put(c, missing, sizeof missing - 1);
}

/* One request at the front of the input: its length, 0 when it is not whole, -1 for an error. */
static ssize_t take_request(struct conn *c)
{
    char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);

    if (!end)
        return c->in_len == IN_SIZE ? -1 : 0;
    *end = '\0';
    return answer(c, c->in) ? end + 4 - c->in : -1;
}

/* One masked frame of a client, which goes back without its mask. */
static ssize_t take_frame(struct conn *c)
{
    unsigned char *in = (unsigned char *)c->in;
    size_t head = 2, len = 0;

    if (c->in_len < 2)
        return 0;
    len = in[1] & 0x7f;
    if (len == 126) {
        if (c->in_len < 4)
            return 0;
        len = (size_t)in[2] << 8 | in[3];
        head = 4;
    }
    if ((in[1] & 0x80) == 0 || len == 127 || head + 4 + len > IN_SIZE)
        return -1;
    if (c->in_len < head + 4 + len)
        return 0;
    unsigned char *mask = in + head, *payload = mask + 4;
    for (size_t i = 0; i < len; i++)
        payload[i] ^= mask[i % 4];
    in[1] &= 0x7f;
    if (!put(c, in, head) || !put(c, payload, len) || (in[0] & 0x0f) == 8)
        return -1;
    return (ssize_t)(head + 4 + len);
}

static bool serve(struct conn *c)
{
    while (c->out_len == 0 && c->fill == 0) {
        ssize_t used = c->websocket ? take_frame(c) : take_request(c);
        if (used <= 0)
            return used == 0;
        c->in_len -= (size_t)used;
        memmove(c->in, c->in + used, c->in_len);
        if (!flush(c))
            return false;
    }
    return true;
}

static bool on_event(struct conn *c, uint32_t events)
{
    if (events & (EPOLLERR | EPOLLHUP))
        return false;
    if ((events & EPOLLOUT) && !flush(c))
        return false;
    if ((events & EPOLLIN) && c->in_len < IN_SIZE) {
        ssize_t n = recv(c->fd, c->in + c->in_len, IN_SIZE - c->in_len, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            return false;
        c->in_len += n > 0 ? (size_t)n : 0;
    }
    if (!serve(c))
        return false;
    struct epoll_event want = {.events = EPOLLIN, .data.fd = c->fd};
    if (c->out_len > 0 || c->fill > 0)
        want.events = EPOLLOUT;
    return epoll_ctl(epoll_fd, EPOLL_CTL_MOD, c->fd, &want) == 0;
}

static void welcome(int listener)
{
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};

    if (fd < 0)
        return;
    if (fd >= MAX_FDS || !(conns[fd] = calloc(1, sizeof *conns[fd])) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 ||
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        close(fd);
        return;
    }
    conns[fd]->fd = fd;
}

static int http(const char *port, const char *address)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    struct epoll_event events[64], event = {.events = EPOLLIN};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    memset(fill_bytes, 'f', sizeof fill_bytes);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = listener;
    if (listener < 0 || epoll_fd < 0 || inet_pton(AF_INET, address, &at.sin_addr) != 1 ||
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(listener, (const struct sockaddr *)(const void *)&at, sizeof at) < 0 ||
        listen(listener, 512) < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0) {
        perror("guest");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener)
                welcome(listener);
            else if (!on_event(conns[events[i].data.fd], events[i].events))
                drop(conns[events[i].data.fd]);
        }
    }
}

static int emit(const char *marker, const char *pause, const char *count)
{
    long ms = strtol(pause, NULL, 10);
    unsigned long end = count ? strtoul(count, NULL, 10) : ULONG_MAX;
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

    for (unsigned long number = 0; number < end; number++) {
        if (printf("%s %lu\n", marker, number) < 0 || (ms > 0 && fflush(stdout) != 0))
            return 1;
        if (ms > 0)
            nanosleep(&wait, NULL);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 3 && strcmp(argv[1], "http") == 0)
        return http(argv[2], argc > 3 ? argv[3] : "127.0.0.1");
    if (argc >= 4 && strcmp(argv[1], "emit") == 0)
        return emit(argv[2], argv[3], argv[4]);
    fputs("usage: guest http PORT [ADDRESS] | guest emit MARKER MILLISECONDS [LINES]\n", stderr);
    return 2;
}
