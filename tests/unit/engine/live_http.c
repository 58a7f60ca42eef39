#include "live_http.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine/action.h"
#include "peer.h"
#include "test.h"

static int connect_to(int sock, const char *id)
{
    const struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                         .sin6_port = htons(WR_AGENT_PORT),
                                         .sin6_addr.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
    struct peer_reply reply;
    char json[64];
    snprintf(json, sizeof(json), "{\"id\":\"%s\",\"count\":1}", id);
    peer_call(sock, WR_ACTION_SOCKETS, json, &reply);
    CHECK_INT(reply.fd_count, 1);
    CHECK_INT(wr_fd_set_nonblock(reply.fds[0], false), 0);
    CHECK(connect(reply.fds[0], (const struct sockaddr *)&address, sizeof(address)) == 0);
    return reply.fds[0];
}

/* Sends head and body; what comes back until the end. */
static int exchange(int fd, const char *head, const char *body, char *out, size_t cap)
{
    CHECK_INT(wr_write_all(fd, head, strlen(head)), 0);
    CHECK_INT(wr_write_all(fd, body, strlen(body)), 0);
    ssize_t len = wr_read_full(fd, out, cap - 1);
    CHECK(len > 12);
    out[len] = '\0';
    close(fd);
    return (int)strtol(out + 9, NULL, 10);
}

int live_http_get(int sock, const char *id, const char *path, char *out, size_t cap)
{
    char head[256], text[4096];
    snprintf(head, sizeof(head),
             "GET /files?path=%s&username=root HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
             path);
    int status = exchange(connect_to(sock, id), head, "", text, sizeof(text));
    const char *body = strstr(text, "\r\n\r\n");
    snprintf(out, cap, "%s", body ? body + 4 : "");
    return status;
}

bool live_http_put(int sock, const char *id, const char *path, const char *text)
{
    char head[320], answer[4096];
    snprintf(head, sizeof(head),
             "POST /files?path=%s&username=root HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
             "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
             path, strlen(text));
    return exchange(connect_to(sock, id), head, text, answer, sizeof(answer)) == 200;
}
