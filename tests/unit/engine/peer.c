#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "sys/message.h"
#include "test.h"

#define PATIENCE_MS 40000

static struct {
    struct wr_action_header header;
    char text[WR_ACTION_MAX];
} out, in;

static uint32_t next_sequence = 1000;
static json_t *last;

void peer_send(int sock, unsigned kind, uint32_t sequence, const char *json)
{
    size_t len = strlen(json);
    out.header = (struct wr_action_header){.magic = WR_ACTION_MAGIC,
                                           .version = WR_ACTION_VERSION,
                                           .kind = (uint16_t)kind,
                                           .sequence = sequence,
                                           .length = (uint32_t)len};
    CHECK(len < sizeof(out.text));
    memcpy(out.text, json, len);
    CHECK_INT(wr_message_send(sock, &out, sizeof(out.header) + len, NULL, 0), 0);
}

static ssize_t receive(int sock, struct peer_reply *ret)
{
    struct pollfd fd = {.fd = sock, .events = POLLIN};
    ret->fd_count = 0;
    if (poll(&fd, 1, PATIENCE_MS) != 1)
        wr_test_fail(__FILE__, __LINE__, "no message within %d ms", PATIENCE_MS);
    return wr_message_recv(sock, &in, sizeof(in), ret->fds, &ret->fd_count);
}

void peer_recv(int sock, struct peer_reply *ret)
{
    json_error_t json_error;
    ssize_t len = receive(sock, ret);
    CHECK(len >= (ssize_t)sizeof(in.header));
    ret->header = in.header;
    CHECK_INT(in.header.magic, WR_ACTION_MAGIC);
    CHECK_INT(in.header.version, WR_ACTION_VERSION);
    CHECK_INT(in.header.length, (size_t)len - sizeof(in.header));
    CHECK((size_t)len <= WR_ACTION_MAX);
    json_decref(last);
    last = ret->json = json_loadb(in.text, in.header.length, 0, &json_error);
    if (!last)
        wr_test_fail(__FILE__, __LINE__, "not JSON: %s", json_error.text);
}

void peer_answer(int sock, unsigned kind, uint32_t sequence, struct peer_reply *ret)
{
    do
        peer_recv(sock, ret);
    while (ret->header.kind & WR_ACTION_EVENT);
    CHECK_INT(ret->header.sequence, sequence);
    CHECK_INT(ret->header.kind, kind | WR_ACTION_REPLY);
}

void peer_call(int sock, unsigned kind, const char *json, struct peer_reply *ret)
{
    uint32_t sequence = ++next_sequence;
    peer_send(sock, kind, sequence, json);
    peer_answer(sock, kind, sequence, ret);
}

int peer_code(int sock, unsigned kind, const char *json)
{
    struct peer_reply reply;
    peer_call(sock, kind, json, &reply);
    for (size_t i = 0; i < reply.fd_count; i++)
        close(reply.fds[i]);
    if (!(reply.header.flags & WR_ACTION_FLAG_ERROR))
        return 0;
    CHECK(strlen(peer_str(&reply, "message")) > 0);
    return (int)json_integer_value(json_object_get(reply.json, "code"));
}

bool peer_closed(int sock)
{
    struct peer_reply reply;
    ssize_t len;
    while ((len = receive(sock, &reply)) > 0)
        continue;
    return len == 0 || len == -ECONNRESET;
}

const char *peer_str(const struct peer_reply *reply, const char *key)
{
    const char *text = json_string_value(json_object_get(reply->json, key));
    if (!text)
        wr_test_fail(__FILE__, __LINE__, "%s is missing", key);
    return text;
}
