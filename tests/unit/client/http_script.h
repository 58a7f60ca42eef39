/*
 * A server in a thread of its own that expects certain requests one after the other, and gives the
 * answers that the test has written down.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    HTTP_SCRIPT_STEPS = 32,
    HTTP_SCRIPT_CONNECTIONS = 8,
    HTTP_SCRIPT_REQUEST_MAX = 64 * 1024,
};

struct http_step {
    const char *request; /* how its first line begins: "GET /sandboxes/x" */
    const char *answer;  /* whole, or a beginning of one; NULL: the connection is closed instead */
    bool close;          /* after the answer */
};

/* An answer whose length is counted when it is sent. */
#define HTTP_BODY(status, body) "HTTP/1.1 " status "\r\nContent-Length: ?\r\n\r\n" body

/* In an answer: the mark that the first request, a creation, has in its metadata. */
#define HTTP_SCRIPT_MARK "@@@@@@@@@@@@@@@@"

struct http_script {
    struct http_step steps[HTTP_SCRIPT_STEPS];
    size_t count;
    /* What came, whole. */
    char requests[HTTP_SCRIPT_STEPS][HTTP_SCRIPT_REQUEST_MAX];
    size_t seen;
    atomic_uint connections;
    char wrong[256]; /* "": all was as expected */
    char url[64];
    /* private: */
    int fd, stop_fd;
    pthread_t thread;
};

/* On the heap; the steps are copied. */
struct http_script *http_script_start(const struct http_step *steps, size_t count);
/* Fails the test when the requests were not those of the script. Frees it. */
void http_script_end(struct http_script *script);
