/* A whole conversation with the engine's core over its socket; isolation is done by the fake
 * driver. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/message.h"
#include "talk.h"
#include "test.h"

#define TOKEN TALK_TOKEN
#define ID(c) TALK_ID(c)

static int sock = -1;
static pid_t engine = -1;
static struct talk talk;

static void start(void)
{
    talk = talk_start(NULL);
    sock = talk.sock;
    engine = talk.engine;
}

static int ended(void)
{
    return talk_ended(&talk);
}

static void create(const char *id)
{
    char json[128];
    snprintf(json, sizeof(json), "{\"template\":\"base\",\"id\":\"%s\"}", id);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, json), 0);
}

#define A "11111111-2222-4333-8444-555555555555"
#define B "21111111-2222-4333-8444-555555555555"

static void check_listed(const char *after, size_t count, const char *first, int sandboxes)
{
    struct peer_reply reply;
    char json[128];
    snprintf(json, sizeof(json), "{\"after\":\"%s\"}", after);
    peer_call(sock, WR_ACTION_VOLUMES, json, &reply);
    const json_t *volumes = json_object_get(reply.json, "volumes");
    CHECK_INT(json_array_size(volumes), count);
    CHECK(json_is_false(json_object_get(reply.json, "more")));
    const json_t *v = json_array_get(volumes, 0);
    CHECK_STR(json_string_value(json_object_get(v, "volume")), first);
    CHECK_INT(json_integer_value(json_object_get(v, "sandboxes")), sandboxes);
    CHECK_INT(json_integer_value(json_object_get(v, "sizeBytes")), 16777216);
}

TEST(volumes)
{
    static const char make_a[] = "{\"volume\":\"" A "\",\"sizeBytes\":16777216}";
    static const char with_a[] =
        "{\"template\":\"base\",\"id\":\"" ID("a") "\",\"volumes\":[{\"volume\":\"" A
                                                   "\",\"path\":\"/data\"}]}";
    start();
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, with_a), WR_E_NOT_FOUND);
    CHECK_INT(
        peer_code(sock, WR_ACTION_VOLUME_CREATE, "{\"volume\":\"" B "\",\"sizeBytes\":16777216}"),
        0);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_CREATE, make_a), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_CREATE, make_a), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_CREATE, "{\"volume\":\"" A "\"}"),
              WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_CREATE, "{\"volume\":\"/\",\"sizeBytes\":16777216}"),
              WR_E_INVALID_ARGUMENT);
    check_listed("", 2, A, 0);
    check_listed(A, 1, B, 0);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, with_a), 0);
    check_listed("", 2, A, 1);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" A "\"}"),
              WR_E_FAILED_PRECONDITION);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" B "\"}"), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" B "\"}"), WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, "{\"id\":\"" ID("a") "\"}"), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" A "\"}"), 0);
}

TEST(ping_and_unknown_action)
{
    struct peer_reply reply;
    start();
    peer_call(sock, WR_ACTION_PING, "{}", &reply);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "pid")), engine);
    CHECK_STR(peer_str(&reply, "version"), WR_VERSION);
    CHECK_INT(peer_code(sock, 0, "{}"), WR_E_UNIMPLEMENTED);
    CHECK_INT(peer_code(sock, WR_ACTION_CHECKPOINT + 1, "{}"), WR_E_UNIMPLEMENTED);
    CHECK_INT(peer_code(sock, 0x3fff, "{}"), WR_E_UNIMPLEMENTED);
    CHECK_INT(peer_code(sock, WR_ACTION_PING, "{\"x\":1}"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{\"x\":1}"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_PING, "{"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_PING, "[]"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_PING, "{}{}"), WR_E_INVALID_ARGUMENT);
}

TEST(create)
{
    struct peer_reply reply;
    start();
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"base\",\"pids\":99,\"sockets\":3,\"accessToken\":\"" TOKEN "\"}",
              &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK(wr_id_valid(peer_str(&reply, "id")));
    CHECK_INT(json_integer_value(json_object_get(reply.json, "pids")), 99);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "memoryBytes")),
              WR_MEMORY_BYTES_DEFAULT);
    CHECK(json_integer_value(json_object_get(reply.json, "createdMs")) > 0);
    CHECK_STR(peer_str(&reply, "level"), "running");
    CHECK(json_is_true(json_object_get(reply.json, "booted")));
    CHECK_INT(reply.fd_count, 3);
    CHECK_INT(fcntl(reply.fds[2], F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(reply.fds[2], F_GETFL) & O_NONBLOCK);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"nowhere\"}"), WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"broken\"}"), WR_E_INTERNAL);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"base\",\"pids\":1}"),
              WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{}"), WR_E_INVALID_ARGUMENT);
    create(ID("a"));
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"base\",\"id\":\"" ID("a") "\"}"),
              WR_E_ALREADY_EXISTS);
    /* A failed start leaves nothing: the id is free. */
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"broken\",\"id\":\"" ID("b") "\"}"),
              WR_E_INTERNAL);
    create(ID("b"));
}

/* Without isolation they are ordinary sockets, but they come in the same way. */
TEST(egress)
{
    struct peer_reply reply;
    start();
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"base\",\"id\":\"" ID("a") "\",\"sockets\":1,\"egress\":true}",
              &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK_INT(reply.fd_count, 3);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "sockets")), 1);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "egress")), 2);
    create(ID("b")); /* without */
    for (char c = 'a'; c <= 'b'; c++) {
        char json[64];
        snprintf(json, sizeof(json), "{\"id\":\"%.*s\"}", WR_ID_LEN, c == 'a' ? ID("a") : ID("b"));
        peer_send(sock, WR_ACTION_EGRESS, 100, json);
        peer_send(sock, WR_ACTION_EGRESS, 101, json);
        peer_answer(sock, WR_ACTION_EGRESS, 100, &reply);
        CHECK_INT(reply.fd_count, 2);
        int listens = 0;
        socklen_t len = sizeof(listens);
        CHECK(getsockopt(reply.fds[0], SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens);
        peer_answer(sock, WR_ACTION_EGRESS, 101, &reply);
        CHECK_INT(reply.fd_count, 2);
    }
    CHECK_INT(peer_code(sock, WR_ACTION_EGRESS, "{\"id\":\"" ID("c") "\"}"), WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"base\",\"egress\":1}"),
              WR_E_INVALID_ARGUMENT);
}

static json_int_t number_of(const struct peer_reply *reply, const char *key)
{
    return json_integer_value(json_object_get(reply->json, key));
}

TEST(assign)
{
    struct peer_reply reply;
    start();
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"base\",\"id\":\"" ID(
                  "a") "\",\"blank\":true,\"pids\":99,\"accessToken\":\"" TOKEN
                       "\",\"controlToken\":\"" TOKEN "\"}",
              &reply);
    CHECK_INT(reply.header.flags, 0);
    json_int_t made_ms = number_of(&reply, "createdMs");
    create(ID("b"));
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, "{\"id\":\"" ID("b") "\"}"),
              WR_E_FAILED_PRECONDITION);
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, "{\"id\":\"" ID("c") "\"}"), WR_E_NOT_FOUND);
    /* Nothing is changed by what is refused. */
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, "{\"id\":\"" ID("a") "\",\"pids\":1}"),
              WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, "{\"id\":\"" ID("a") "\",\"openFiles\":100}"),
              WR_E_INVALID_ARGUMENT);
    (void)poll(NULL, 0, 5);
    peer_call(sock, WR_ACTION_ASSIGN,
              "{\"id\":\"" ID("a") "\",\"cpuMillis\":500,\"memoryBytes\":0}", &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK_STR(peer_str(&reply, "id"), ID("a"));
    CHECK_INT(number_of(&reply, "cpuMillis"), 500);
    CHECK_INT(number_of(&reply, "pids"), 99);
    CHECK_INT(number_of(&reply, "memoryBytes"), WR_MEMORY_BYTES_DEFAULT);
    CHECK(number_of(&reply, "createdMs") > made_ms);
    /* It is no blank any more. */
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, "{\"id\":\"" ID("a") "\"}"),
              WR_E_FAILED_PRECONDITION);
}

TEST(creates_at_once_with_one_id)
{
    struct peer_reply reply;
    start();
    peer_send(sock, WR_ACTION_CREATE, 1, "{\"template\":\"base\",\"id\":\"" ID("a") "\"}");
    peer_send(sock, WR_ACTION_CREATE, 2, "{\"template\":\"base\",\"id\":\"" ID("a") "\"}");
    unsigned good = 0;
    for (int i = 0; i < 2; i++) {
        peer_recv(sock, &reply);
        good += !(reply.header.flags & WR_ACTION_FLAG_ERROR);
    }
    CHECK_INT(good, 1);
}

TEST(kill)
{
    struct peer_reply reply;
    start();
    create(ID("a"));
    /* Twice in a row: both are answered when it is gone, and there is no event. */
    peer_send(sock, WR_ACTION_KILL, 1, "{\"id\":\"" ID("a") "\"}");
    peer_send(sock, WR_ACTION_KILL, 2, "{\"id\":\"" ID("a") "\"}");
    for (uint32_t i = 1; i <= 2; i++) {
        peer_recv(sock, &reply);
        CHECK_INT(reply.header.kind, WR_ACTION_KILL | WR_ACTION_REPLY);
        CHECK_INT(reply.header.sequence, i);
        CHECK(i == 2 || reply.header.flags == 0);
    }
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, "{\"id\":\"" ID("a") "\"}"), WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, "{\"id\":\"../../etc\"}"), WR_E_NOT_FOUND);
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, "{}"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_KILL, "{\"id\":\"" ID("a") "\",\"force\":true}"),
              WR_E_INVALID_ARGUMENT);
}

static int code_of(const struct peer_reply *reply)
{
    return (int)json_integer_value(json_object_get(reply->json, "code"));
}

TEST(kill_while_it_starts)
{
    struct peer_reply reply;
    start();
    peer_send(sock, WR_ACTION_CREATE, 1, "{\"template\":\"slow\",\"id\":\"" ID("a") "\"}");
    CHECK_INT(peer_code(sock, WR_ACTION_STATS, "{\"id\":\"" ID("a") "\"}"), WR_E_UNAVAILABLE);
    peer_call(sock, WR_ACTION_LIST, "{}", &reply);
    CHECK_INT(json_array_size(json_object_get(reply.json, "sandboxes")), 0);
    peer_send(sock, WR_ACTION_KILL, 2, "{\"id\":\"" ID("a") "\"}");
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.sequence, 1);
    CHECK_INT(code_of(&reply), WR_E_ABORTED);
    peer_recv(sock, &reply); /* and no event */
    CHECK_INT(reply.header.sequence, 2);
    CHECK_INT(reply.header.flags, 0);
    create(ID("a"));
}

TEST(kill_of_one_that_cannot_start)
{
    struct peer_reply reply;
    start();
    peer_send(sock, WR_ACTION_CREATE, 1, "{\"template\":\"slow-broken\",\"id\":\"" ID("a") "\"}");
    peer_send(sock, WR_ACTION_KILL, 2, "{\"id\":\"" ID("a") "\"}");
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.sequence, 1);
    CHECK_INT(code_of(&reply), WR_E_INTERNAL);
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.sequence, 2);
    CHECK_INT(reply.header.flags, 0);
}

TEST(too_many_wait_for_one_end)
{
    struct peer_reply reply;
    start();
    peer_send(sock, WR_ACTION_CREATE, 100, "{\"template\":\"slow\",\"id\":\"" ID("a") "\"}");
    for (uint32_t i = 1; i <= WR_ENGINE_MAX_KILLS + 1; i++)
        peer_send(sock, WR_ACTION_KILL, i, "{\"id\":\"" ID("a") "\"}");
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.sequence, WR_ENGINE_MAX_KILLS + 1);
    CHECK_INT(code_of(&reply), WR_E_RESOURCE_EXHAUSTED);
    peer_answer(sock, WR_ACTION_CREATE, 100, &reply);
    for (uint32_t i = 1; i <= WR_ENGINE_MAX_KILLS; i++)
        peer_answer(sock, WR_ACTION_KILL, i, &reply);
}

TEST(shutdown_while_it_starts)
{
    struct peer_reply reply;
    start();
    peer_send(sock, WR_ACTION_CREATE, 1, "{\"template\":\"slow\"}");
    peer_send(sock, WR_ACTION_SHUTDOWN, 2, "{}");
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), WR_E_UNAVAILABLE);
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"base\"}"), WR_E_UNAVAILABLE);
    peer_answer(sock, WR_ACTION_CREATE, 1, &reply);
    CHECK_INT(code_of(&reply), WR_E_ABORTED);
    peer_answer(sock, WR_ACTION_SHUTDOWN, 2, &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK_INT(ended(), 0);
}

static void create_many(unsigned count)
{
    char json[128];
    for (unsigned i = 0; i < count; i++) {
        snprintf(json, sizeof(json), "{\"template\":\"base\",\"id\":\"%020u\"}",
                 (i * 7919) % 100000);
        CHECK_INT(peer_code(sock, WR_ACTION_CREATE, json), 0);
    }
}

static void check_list(unsigned expected, size_t page_max)
{
    char json[64] = "{\"after\":\"\"}", last[WR_ID_LEN + 1] = "";
    unsigned seen = 0;
    struct peer_reply reply;
    bool more = true;
    while (more) {
        peer_call(sock, WR_ACTION_LIST, json, &reply);
        CHECK_INT(reply.header.flags, 0);
        json_t *array = json_object_get(reply.json, "sandboxes");
        more = json_is_true(json_object_get(reply.json, "more"));
        CHECK(json_array_size(array) > 0 && json_array_size(array) <= page_max);
        for (size_t i = 0; i < json_array_size(array); i++) {
            const char *id = json_string_value(json_object_get(json_array_get(array, i), "id"));
            CHECK(strcmp(id, last) > 0);
            memcpy(last, id, sizeof(last));
            seen++;
        }
        snprintf(json, sizeof(json), "{\"after\":\"%s\"}", last);
    }
    CHECK_INT(seen, expected);
}

TEST(list_of_many)
{
    struct peer_reply reply;
    start();
    peer_call(sock, WR_ACTION_LIST, "{}", &reply);
    CHECK_INT(json_array_size(json_object_get(reply.json, "sandboxes")), 0);
    CHECK(json_is_false(json_object_get(reply.json, "more")));
    create_many(2 * WR_ACTION_LIST_PAGE + 1);
    check_list(2 * WR_ACTION_LIST_PAGE + 1, WR_ACTION_LIST_PAGE);
    CHECK_INT(peer_code(sock, WR_ACTION_LIST, "{\"after\":1}"), WR_E_INVALID_ARGUMENT);
}

TEST(stats_sockets_and_templates)
{
    struct peer_reply reply;
    start();
    create(ID("a"));
    peer_call(sock, WR_ACTION_STATS, "{\"id\":\"" ID("a") "\"}", &reply);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "memoryBytes")), WR_MIB);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "cacheBytes")), WR_KIB);
    CHECK_INT(json_object_size(reply.json), 9);
    CHECK_INT(peer_code(sock, WR_ACTION_STATS, "{\"id\":\"" ID("b") "\"}"), WR_E_NOT_FOUND);
    peer_call(sock, WR_ACTION_SOCKETS, "{\"id\":\"" ID("a") "\",\"count\":16}", &reply);
    CHECK_INT(reply.fd_count, WR_ACTION_MAX_SOCKETS);
    for (size_t i = 0; i < reply.fd_count; i++) {
        int type = 0;
        socklen_t len = sizeof(type);
        CHECK(getsockopt(reply.fds[i], SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
              type == SOCK_STREAM);
    }
    CHECK_INT(peer_code(sock, WR_ACTION_SOCKETS, "{\"id\":\"" ID("a") "\",\"count\":17}"),
              WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_SOCKETS, "{\"id\":\"" ID("a") "\",\"count\":0}"),
              WR_E_INVALID_ARGUMENT);
    CHECK_INT(peer_code(sock, WR_ACTION_SOCKETS, "{\"id\":\"" ID("a") "\"}"),
              WR_E_INVALID_ARGUMENT);
    peer_call(sock, WR_ACTION_TEMPLATES, "{}", &reply);
    const json_t *one = json_array_get(json_object_get(reply.json, "templates"), 0);
    CHECK_INT(json_array_size(json_object_get(reply.json, "templates")), 1);
    CHECK_INT(json_integer_value(json_object_get(one, "memoryBytes")), WR_MEMORY_BYTES_DEFAULT);
    CHECK(json_is_false(json_object_get(reply.json, "more")));
    peer_call(sock, WR_ACTION_TEMPLATES, "{\"after\":\"base\"}", &reply);
    CHECK_INT(json_array_size(json_object_get(reply.json, "templates")), 0);
}

/* The engine keeps no copy of descriptors that it has handed out. */
TEST(no_descriptor_is_left)
{
    char path[64], target[64];
    start();
    create(ID("a"));
    snprintf(path, sizeof(path), "/proc/%d/fd/64", engine);
    for (int i = 0; i < 10; i++)
        CHECK_INT(peer_code(sock, WR_ACTION_SOCKETS, "{\"id\":\"" ID("a") "\",\"count\":16}"), 0);
    CHECK(readlink(path, target, sizeof(target)) < 0 && errno == ENOENT);
}

TEST(shutdown_ends_all)
{
    struct peer_reply reply;
    start();
    create(ID("a"));
    create(ID("b"));
    peer_send(sock, WR_ACTION_SHUTDOWN, 9, "{}");
    for (int i = 0; i < 2; i++) {
        peer_recv(sock, &reply);
        CHECK_INT(reply.header.kind, WR_EVENT_GONE | WR_ACTION_EVENT);
        CHECK_STR(peer_str(&reply, "reason"), "killed");
    }
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.kind, WR_ACTION_SHUTDOWN | WR_ACTION_REPLY);
    CHECK_INT(reply.header.sequence, 9);
    CHECK(peer_closed(sock));
    CHECK_INT(ended(), 0);
}

TEST(malformed_messages_are_dropped)
{
    struct {
        struct wr_action_header header;
        char text[8];
    } m = {.text = "{}"};
    const struct wr_action_header good = {.magic = WR_ACTION_MAGIC,
                                          .version = WR_ACTION_VERSION,
                                          .kind = WR_ACTION_PING,
                                          .sequence = 7,
                                          .length = 2};
    const struct wr_action_header bad[] = {
        {.magic = 1,
         .version = WR_ACTION_VERSION,
         .kind = WR_ACTION_PING,
         .sequence = 7,
         .length = 2},
        {.magic = WR_ACTION_MAGIC,
         .version = WR_ACTION_VERSION + 1,
         .kind = WR_ACTION_PING,
         .sequence = 7,
         .length = 2},
        {.magic = WR_ACTION_MAGIC,
         .version = WR_ACTION_VERSION,
         .kind = WR_ACTION_PING,
         .sequence = 0,
         .length = 2},
        {.magic = WR_ACTION_MAGIC,
         .version = WR_ACTION_VERSION,
         .kind = WR_ACTION_PING,
         .sequence = 7,
         .length = 3},
        {.magic = WR_ACTION_MAGIC,
         .version = WR_ACTION_VERSION,
         .kind = WR_ACTION_PING,
         .sequence = 7,
         .length = ~0U},
    };
    static char huge[WR_ACTION_MAX + 1];
    int fds[3] = {0, 1, 2};
    struct peer_reply reply;
    start();
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        m.header = bad[i];
        CHECK_INT(wr_message_send(sock, &m, sizeof(m.header) + 2, NULL, 0), 0);
    }
    m.header = good;
    CHECK_INT(wr_message_send(sock, &m, 5, NULL, 0), 0);
    memcpy(huge, &good, sizeof(good));
    CHECK_INT(wr_message_send(sock, huge, sizeof(huge), NULL, 0), 0);
    /* Descriptors that nobody asked for are closed, the message counts. */
    CHECK_INT(wr_message_send(sock, &m, sizeof(m.header) + 2, fds, 3), 0);
    peer_recv(sock, &reply);
    CHECK_INT(reply.header.sequence, 7);
    CHECK_INT(reply.header.kind, WR_ACTION_PING | WR_ACTION_REPLY);
    m.header.sequence = 8;
    CHECK_INT(wr_message_send(sock, &m, sizeof(m.header) + 2, NULL, 0), 0);
    peer_answer(sock, WR_ACTION_PING, 8, &reply);
}

TEST(the_end_of_the_server_ends_the_engine)
{
    start();
    create(ID("a"));
    close(sock);
    CHECK_INT(ended(), 0);
}
