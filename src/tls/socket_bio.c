#include "tls/socket_bio.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

static int fd_of(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

/* 1 with *ret bytes, 0 otherwise: for good, or until the socket is ready, as the flag says. */
static int result(BIO *bio, ssize_t n, int retry_flag, size_t *ret)
{
    BIO_clear_retry_flags(bio);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
    *ret = n > 0 ? (size_t)n : 0;
    return n > 0;
}

static int socket_write(BIO *bio, const char *bytes, size_t len, size_t *ret)
{
    return result(bio, send(fd_of(bio), bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT), BIO_FLAGS_WRITE,
                  ret);
}

static int socket_read(BIO *bio, char *into, size_t len, size_t *ret)
{
    ssize_t n = recv(fd_of(bio), into, len, MSG_DONTWAIT);

    if (n == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return result(bio, n, BIO_FLAGS_READ, ret);
}

static long control(BIO *bio, int command, long number, void *data)
{
    (void)number;
    (void)data;
    switch (command) {
    case BIO_CTRL_FLUSH: /* nothing is kept back */
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

BIO_METHOD *wr_socket_bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");

    if (method && BIO_meth_set_write_ex(method, socket_write) == 1 &&
        BIO_meth_set_read_ex(method, socket_read) == 1 && BIO_meth_set_ctrl(method, control) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

BIO *wr_socket_bio_new(const BIO_METHOD *method, int fd)
{
    BIO *bio = BIO_new(method);

    if (!bio)
        return NULL;
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    return bio;
}
