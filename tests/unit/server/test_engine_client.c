#include <unistd.h>

#include "base/fd.h"
#include "fake_engine.h"
#include "server/engine_client.h"
#include "sys/message.h"
#include "test.h"

struct seen {
    struct wr_loop *loop;
    struct wr_engine_client *client;
    int ready, gone, orphans, lost, replies;
    int code; /* of the last failed reply, 0 when it succeeded */
    char gone_id[32];
    int fds[4];
};

static void on_ready(void *data)
{
    ((struct seen *)data)->ready++;
}

static void on_gone(const char *id, const char *reason, void *data)
{
    struct seen *seen = data;
    seen->gone++;
    CHECK_STR(reason, "oom");
    CHECK(wr_strcopy(seen->gone_id, sizeof seen->gone_id, id));
}

static void on_orphan(const char *id, void *data)
{
    CHECK_STR(id, "aaaaaaaaaaaaaaaaaaaa");
    ((struct seen *)data)->orphans++;
}

static void on_lost(const struct wr_error *error, void *data)
{
    CHECK(error->code != WR_OK);
    ((struct seen *)data)->lost++;
}

static const struct wr_engine_events events = {on_ready, on_gone, on_orphan, on_lost};

static void on_reply(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct seen *seen = data;
    seen->replies++;
    seen->code = error ? error->code : 0;
    CHECK(!reply == !!error);
    for (size_t i = 0; reply && i < reply->fd_count && i < 4; i++)
        seen->fds[i] = wr_steal_fd(&reply->fds[i]);
}

static struct seen start(int sock)
{
    struct seen seen = {.fds = {-1, -1, -1, -1}};
    struct wr_error err = {0};
    CHECK_INT(wr_loop_new(&seen.loop, &err), 0);
    (void)sock;
    return seen;
}

static void attach(struct seen *seen, int sock)
{
    struct wr_error err = {0};
    CHECK_INT(wr_engine_client_new(seen->loop, sock, &events, seen, &seen->client, &err), 0);
}

static void finish(struct seen *seen)
{
    wr_engine_client_free(seen->client);
    wr_loop_free(seen->loop);
}

static void run_until(struct seen *seen, const int *counter, int value)
{
    struct wr_error err = {0};
    for (int i = 0; i < 200 && *counter < value; i++)
        CHECK_INT(wr_loop_step(seen->loop, 50, &err), 0);
    CHECK_INT(*counter, value);
}

static void call(struct seen *seen, enum wr_action action, const char *json, uint64_t timeout_ms)
{
    struct wr_error err = {0};
    struct wr_engine_request request = {action, json, strlen(json), timeout_ms};
    int before = seen->replies;
    CHECK_INT(wr_engine_call(seen->client, &request, on_reply, seen, &err), 0);
    CHECK_INT(seen->replies, before); /* never from inside */
}

#define CREATE(template) \
    "{\"id\":\"aaaaaaaaaaaaaaaaaaaa\",\"template\":\"" template "\",\"sockets\":2}"

TEST(reply_with_descriptors)
{
    int sock = -1;
    fake_engine_start(&sock, 0);
    struct seen seen = start(sock);
    attach(&seen, sock);
    run_until(&seen, &seen.ready, 1);
    call(&seen, WR_ACTION_CREATE, CREATE("base"), 0);
    CHECK_INT(wr_engine_pending(seen.client), 1);
    run_until(&seen, &seen.replies, 1);
    CHECK_INT(seen.code, 0);
    CHECK(seen.fds[0] >= 0 && seen.fds[1] >= 0 && seen.fds[2] < 0);
    CHECK_INT(wr_engine_pending(seen.client), 0);
    finish(&seen);
}

TEST(error_flag_becomes_the_error)
{
    int sock = -1;
    fake_engine_start(&sock, 0);
    struct seen seen = start(sock);
    attach(&seen, sock);
    run_until(&seen, &seen.ready, 1);
    call(&seen, WR_ACTION_CREATE, CREATE("fail"), 0);
    run_until(&seen, &seen.replies, 1);
    CHECK_INT(seen.code, WR_E_FAILED_PRECONDITION);
    finish(&seen);
}

TEST(silence_times_out)
{
    int sock = -1;
    fake_engine_start(&sock, 0);
    struct seen seen = start(sock);
    attach(&seen, sock);
    run_until(&seen, &seen.ready, 1);
    call(&seen, WR_ACTION_CREATE, CREATE("silent"), 30);
    run_until(&seen, &seen.replies, 1);
    CHECK_INT(seen.code, WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(seen.lost, 0);
    finish(&seen);
}

TEST(late_creation_is_an_orphan)
{
    int sock = -1;
    fake_engine_start(&sock, 0);
    struct seen seen = start(sock);
    attach(&seen, sock);
    run_until(&seen, &seen.ready, 1);
    call(&seen, WR_ACTION_CREATE, CREATE("slow"), 20);
    run_until(&seen, &seen.orphans, 1);
    CHECK_INT(seen.replies, 1);
    CHECK_INT(seen.code, WR_E_DEADLINE_EXCEEDED);
    finish(&seen);
}

TEST(restart_fails_what_is_pending)
{
    int sock = -1;
    fake_engine_start(&sock, 0);
    struct seen seen = start(sock);
    attach(&seen, sock);
    run_until(&seen, &seen.ready, 1);
    call(&seen, WR_ACTION_CREATE, CREATE("silent"), 0);
    call(&seen, WR_ACTION_CREATE, CREATE("restart"), 0);
    run_until(&seen, &seen.ready, 2);
    CHECK_INT(seen.replies, 2);
    CHECK_INT(seen.code, WR_E_UNAVAILABLE);
    call(&seen, WR_ACTION_TEMPLATES, "{}", 0);
    run_until(&seen, &seen.replies, 3);
    CHECK_INT(seen.code, 0);
    finish(&seen);
}

TEST(gone_event)
{
    int sock = -1;
    fake_engine_start(&sock, 0);
    struct seen seen = start(sock);
    attach(&seen, sock);
    run_until(&seen, &seen.ready, 1);
    call(&seen, WR_ACTION_CREATE, CREATE("dies"), 0);
    run_until(&seen, &seen.gone, 1);
    CHECK_STR(seen.gone_id, "aaaaaaaaaaaaaaaaaaaa");
    finish(&seen);
}

TEST(end_of_the_engine_is_told_once)
{
    int pair[2];
    struct wr_error err = {0};
    CHECK_INT(wr_message_pair(pair), 0);
    struct seen seen = start(pair[0]);
    attach(&seen, pair[0]);
    call(&seen, WR_ACTION_PING, "{}", 0);
    close(pair[1]);
    run_until(&seen, &seen.lost, 1);
    CHECK_INT(seen.replies, 1);
    CHECK_INT(seen.code, WR_E_UNAVAILABLE);
    struct wr_engine_request request = {WR_ACTION_PING, "{}", 2, 0};
    CHECK_INT(wr_engine_call(seen.client, &request, on_reply, &seen, &err), -WR_E_UNAVAILABLE);
    finish(&seen);
}

TEST(nonsense_ends_the_connection)
{
    int pair[2];
    struct wr_action_header header = {.magic = 1, .version = WR_ACTION_VERSION};
    CHECK_INT(wr_message_pair(pair), 0);
    struct seen seen = start(pair[0]);
    attach(&seen, pair[0]);
    CHECK_INT(wr_message_send(pair[1], &header, sizeof header, NULL, 0), 0);
    run_until(&seen, &seen.lost, 1);
    finish(&seen);
}

TEST(requests_are_bounded)
{
    int pair[2];
    struct wr_error err = {0};
    static char large[WR_ACTION_MAX];
    struct wr_engine_request request = {WR_ACTION_PING, "{}", 2, 0};
    struct wr_engine_request too_large = {WR_ACTION_PING, large,
                                          WR_ACTION_MAX - sizeof(struct wr_action_header) + 1, 0};
    CHECK_INT(wr_message_pair(pair), 0);
    struct seen seen = start(pair[0]);
    attach(&seen, pair[0]);
    CHECK_INT(wr_engine_call(seen.client, &too_large, on_reply, &seen, &err),
              -WR_E_INVALID_ARGUMENT);
    /* The peer reads nothing: what the socket does not take waits, up to the limit. */
    for (int i = 0; i < WR_ENGINE_MAX_PENDING; i++)
        CHECK_INT(wr_engine_call(seen.client, &request, on_reply, &seen, &err), 0);
    CHECK_INT(wr_engine_call(seen.client, &request, on_reply, &seen, &err),
              -WR_E_RESOURCE_EXHAUSTED);
    finish(&seen);
    CHECK_INT(seen.replies, WR_ENGINE_MAX_PENDING);
}
