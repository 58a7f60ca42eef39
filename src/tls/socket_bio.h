/*
 * A stream socket for a TLS session. OpenSSL's own BIO writes with write(), so that a peer that has
 * gone would end a program that does not ignore SIGPIPE; a library cannot ask that of its users.
 */
#pragma once

#include <openssl/bio.h>

/* What such BIOs do. One for each session, freed after it; NULL without memory. */
BIO_METHOD *wr_socket_bio_method_new(void);
/* `fd` is borrowed. NULL without memory. */
BIO *wr_socket_bio_new(const BIO_METHOD *method, int fd);
