/*
 * Both ends of the measurements of the network, one connection after the other.
 *
 *   network_peer serve ADDRESS PORT              says "ready", serves until it is ended
 *   network_peer rounds ADDRESS PORT COUNT [HEAD]  connect, one byte there and back, close; a line
 * of microseconds for each network_peer up|down ADDRESS PORT BYTES [HEAD]  a line: seconds for that
 * many bytes
 *
 * HEAD is a file with a request that comes before; its answer has to be a 101.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PIECE   (256 * 1024)
#define STALL_S 20

static char piece[PIECE];

static void fail(const char *what)
{
    fprintf(stderr, "network_peer: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static socklen_t address_of(const char *text, const char *port, struct sockaddr_storage *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)out;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

    memset(out, 0, sizeof *out);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)strtoul(port, NULL, 10));
        return sizeof *v4;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
        fail(text);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)strtoul(port, NULL, 10));
    return sizeof *v6;
}

static void set_up(int fd)
{
    const struct timeval stall = {.tv_sec = STALL_S};
    const int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &stall, sizeof stall);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &stall, sizeof stall);
}

/* 0 when the stream ended or stalled before that. */
static int read_exactly(int fd, void *into, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read(fd, (char *)into + done, len - done);
        if (n <= 0)
            return 0;
        done += (size_t)n;
    }
    return 1;
}

static int take(int fd, uint64_t len)
{
    while (len > 0) {
        ssize_t n = read(fd, piece, len < PIECE ? (size_t)len : PIECE);
        if (n <= 0)
            return 0;
        len -= (uint64_t)n;
    }
    return 1;
}

static int give(int fd, uint64_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, piece, len < PIECE ? (size_t)len : PIECE);
        if (n <= 0)
            return 0;
        len -= (uint64_t)n;
    }
    return 1;
}

/* The first byte says what is wanted: one byte back, or a number of bytes in one direction. */
static void serve_one(int fd)
{
    uint64_t len = 0;
    char mode = 0;

    if (!read_exactly(fd, &mode, 1))
        return;
    if (mode == 'r')
        (void)!write(fd, "r", 1);
    else if (read_exactly(fd, &len, sizeof len) && (mode == 'u' ? take(fd, len) : give(fd, len)))
        (void)!write(fd, "e", 1);
    /* Until the client has closed: its ports are the ones that wait then. */
    (void)!read(fd, &mode, 1);
}

static void serve(const char *address, const char *port)
{
    struct sockaddr_storage where;
    socklen_t len = address_of(address, port, &where);
    const int on = 1;
    int listener = socket(where.ss_family, SOCK_STREAM, 0);

    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (listener < 0 || bind(listener, (struct sockaddr *)&where, len) < 0 ||
        listen(listener, 64) < 0)
        fail("listen");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            continue;
        set_up(fd);
        serve_one(fd);
        close(fd);
    }
}

/* Sends the request and reads the head of its answer. */
static void switch_protocols(int fd, const char *head, size_t len)
{
    char answer[4096];
    size_t n = 0;

    if (write(fd, head, len) != (ssize_t)len)
        fail("write");
    while (n < 4 || memcmp(answer + n - 4, "\r\n\r\n", 4) != 0)
        if (n == sizeof answer || read(fd, answer + n++, 1) != 1)
            fail("answer");
    if (memcmp(answer, "HTTP/1.1 101 ", 13) != 0)
        fail("no 101");
}

static int connect_to(const char *address, const char *port, const char *head, size_t head_len)
{
    struct sockaddr_storage where;
    socklen_t len = address_of(address, port, &where);
    int fd = socket(where.ss_family, SOCK_STREAM, 0);

    if (fd < 0 || connect(fd, (struct sockaddr *)&where, len) < 0)
        fail("connect");
    set_up(fd);
    if (head_len)
        switch_protocols(fd, head, head_len);
    return fd;
}

static double measure(int up, const char *address, const char *port, uint64_t len, const char *head,
                      size_t head_len)
{
    char mode = up < 0 ? 'r' : up ? 'u' : 'd';
    double began = now();
    int fd = connect_to(address, port, head, head_len);

    if (mode != 'r')
        began = now();
    if (write(fd, &mode, 1) != 1 || (mode != 'r' && write(fd, &len, sizeof len) != sizeof len))
        fail("write");
    if (mode != 'r' && !(up ? give(fd, len) : take(fd, len)))
        fail("transfer");
    if (!read_exactly(fd, &mode, 1))
        fail("read");
    double took = now() - began;
    close(fd);
    return took;
}

int main(int argc, char **argv)
{
    static char head[4096];
    size_t head_len = 0;

    signal(SIGPIPE, SIG_IGN);
    if (argc == 4 && strcmp(argv[1], "serve") == 0)
        serve(argv[2], argv[3]);
    if (argc != 5 && argc != 6)
        return 2;
    if (argc == 6) {
        FILE *file = fopen(argv[5], "r");
        head_len = file ? fread(head, 1, sizeof head, file) : 0;
        if (head_len == 0)
            fail(argv[5]);
        fclose(file);
    }
    uint64_t count = strtoull(argv[4], NULL, 10);
    if (strcmp(argv[1], "rounds") != 0) {
        printf("%f\n",
               measure(strcmp(argv[1], "up") == 0, argv[2], argv[3], count, head, head_len));
        return 0;
    }
    for (uint64_t i = 0; i < count; i++)
        printf("%.1f\n", measure(-1, argv[2], argv[3], 1, head, head_len) * 1e6);
    return 0;
}
