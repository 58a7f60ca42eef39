/* A whole connection: the same bytes in one piece and in small ones get the same answers
 * (differential). */
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "http/server.h"

static void echo(struct wr_exchange *ex, const char *body, size_t len, void *data_ptr)
{
    (void)data_ptr;
    wr_exchange_reply(ex, 200, "application/octet-stream", body, len);
}

static void handler(struct wr_exchange *ex, void *data)
{
    (void)data;
    wr_exchange_collect(ex, 1000, echo, NULL, NULL);
}

#define ANSWER_MAX 65536

/* The answers to `data` when it is sent in pieces of that size, up to the end of the connection. */
static size_t converse(const uint8_t *data, size_t size, size_t piece, char *out)
{
    const struct wr_http_server_opts opts = {.max_connections = 4, .handler = handler};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct wr_loop *loop = NULL;
    struct wr_http_server *server = NULL;
    struct wr_error err;
    socklen_t len = sizeof(sa_family_t);
    size_t used = 0, sent = 0;

    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* An empty name makes the kernel choose an abstract one. */
    HOLDS(bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 4) == 0);
    len = sizeof(address);
    HOLDS(getsockname(listener, (struct sockaddr *)&address, &len) == 0);
    HOLDS(wr_loop_new(&loop, &err) == 0);
    HOLDS(wr_http_server_new(loop, listener, &opts, &server, &err) == 0);
    HOLDS(connect(fd, (struct sockaddr *)&address, len) == 0);
    for (unsigned idle = 0; idle < 4 && used < ANSWER_MAX;) {
        if (sent < size) {
            size_t n = size - sent < piece ? size - sent : piece;
            ssize_t w = send(fd, data + sent, n, MSG_NOSIGNAL | MSG_DONTWAIT);
            sent = w > 0 ? sent + (size_t)w : size;
            if (sent == size)
                (void)shutdown(fd, SHUT_WR);
        }
        HOLDS(wr_loop_step(loop, 0, &err) == 0);
        ssize_t r = recv(fd, out + used, ANSWER_MAX - used, MSG_DONTWAIT);
        used += r > 0 ? (size_t)r : 0;
        idle = r > 0 || sent < size ? 0 : idle + 1;
        if (r == 0)
            break;
    }
    (void)close(fd);
    server = wr_http_server_free(server);
    loop = wr_loop_free(loop);
    return used;
}

/* "100 Continue" is sent only when the body has not arrived by then, so it may differ (RFC
 * 9110 10.1.1). */
static size_t without_continue(char *text, size_t len)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const size_t n = sizeof(interim) - 1;
    char *found = NULL;

    while ((found = memmem(text, len, interim, n)) != NULL) {
        memmove(found, found + n, len - n - (size_t)(found - text));
        len -= n;
    }
    return len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char whole[ANSWER_MAX], cut[ANSWER_MAX];

    /* Small, so that pieces of one byte stay cheap. */
    if (size < 2 || size > 4096)
        return 0;
    size_t whole_len = converse(data + 1, size - 1, size, whole);
    size_t cut_len = converse(data + 1, size - 1, (size_t)data[0] % 64 + 1, cut);
    whole_len = without_continue(whole, whole_len);
    cut_len = without_continue(cut, cut_len);
    HOLDS(whole_len == cut_len && memcmp(whole, cut, whole_len) == 0);
    return 0;
}
