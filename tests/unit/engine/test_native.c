/* The native driver with its nest and agents, as root, in a data directory of its own. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/driver/driver.h"
#include "live.h"
#include "peer.h"
#include "test.h"

static struct wr_error err;

static void shut_down(int sock, pid_t engine)
{
    int status = -1;
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(engine, &status, 0) == engine);
    CHECK_INT(status, 0);
    close(sock);
}

static void check_code(int sock, unsigned kind, const char *id, int code)
{
    char json[64];
    snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
    CHECK_INT(peer_code(sock, kind, json), code);
}

static void check_gone(const char *id)
{
    uint64_t start_ms = wr_mono_ms();
    while (live_processes(id) > 0)
        CHECK(wr_mono_ms() - start_ms < 30000 && usleep(10000) == 0);
}

static void check_life(void)
{
    char a[WR_ID_LEN + 1], b[WR_ID_LEN + 1];
    struct peer_reply reply;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    live_create(sock, a);
    live_create(sock, b);
    CHECK(strcmp(a, b) != 0);
    CHECK(live_works(sock, a) && live_works(sock, b));
    CHECK_INT(live_processes(a), 1);
    check_code(sock, WR_ACTION_STATS, a, 0);
    check_code(sock, WR_ACTION_KILL, a, 0);
    CHECK_INT(live_processes(a), 0);
    check_code(sock, WR_ACTION_KILL, a, WR_E_NOT_FOUND);
    CHECK(live_works(sock, b));
    CHECK_INT(peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"nowhere\"}"), WR_E_NOT_FOUND);
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"" LIVE_TEMPLATE "\",\"id\":\"aaaaaaaaaaaaaaaaaaaa\",\"sockets\":2}",
              &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK_INT(reply.fd_count, 2);
    CHECK(live_agent_answers(reply.fds[0]) && live_agent_answers(reply.fds[1]));
    peer_call(sock, WR_ACTION_LIST, "{}", &reply);
    CHECK_INT(json_array_size(json_object_get(reply.json, "sandboxes")), 2);
    shut_down(sock, engine);
}

TEST(life)
{
    live_run(check_life);
}

/* The id of a sandbox that is on its way out, or was never completely removed, is not a way to
 * remove files of another. */
static void check_same_id(void)
{
    static const char create[] =
        "{\"template\":\"" LIVE_TEMPLATE "\",\"id\":\"aaaaaaaaaaaaaaaaaaaa\"}";
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    for (int i = 0; i < 10; i++) {
        CHECK_INT(peer_code(sock, WR_ACTION_CREATE, create), 0);
        CHECK_INT(peer_code(sock, WR_ACTION_CREATE, create), WR_E_ALREADY_EXISTS);
        CHECK(live_works(sock, "aaaaaaaaaaaaaaaaaaaa"));
        check_code(sock, WR_ACTION_KILL, "aaaaaaaaaaaaaaaaaaaa", 0);
        CHECK_INT(live_processes("aaaaaaaaaaaaaaaaaaaa"), 0);
    }
    shut_down(sock, engine);
}

TEST(one_id_again_and_again)
{
    live_run(check_same_id);
}

static int create_again(int sock, json_int_t *ret_memory)
{
    struct peer_reply reply;
    peer_call(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\"}", &reply);
    *ret_memory = json_integer_value(json_object_get(reply.json, "memoryBytes"));
    return reply.header.flags ? (int)json_integer_value(json_object_get(reply.json, "code")) : 0;
}

/* Each change is noticed by the next create, kits or not. */
static void check_template_changes(void)
{
    static const char missing[] =
        "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    json_int_t memory = 0;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    CHECK_INT(create_again(sock, &memory), 0);
    CHECK_INT(memory, WR_MEMORY_BYTES_DEFAULT);
    live_template(LIVE_LAYER, 64 * WR_MIB);
    CHECK_INT(create_again(sock, &memory), 0);
    CHECK_INT(memory, 64 * WR_MIB);
    /* Not a sandbox that lacks a layer, however often one asks. */
    live_template(missing, 0);
    for (int i = 0; i < 3; i++)
        CHECK(create_again(sock, &memory) != 0);
    live_template(LIVE_LAYER, 0);
    CHECK_INT(create_again(sock, &memory), 0);
    live_template_remove();
    for (int i = 0; i < 3; i++)
        CHECK_INT(create_again(sock, &memory), WR_E_NOT_FOUND);
    live_template(LIVE_LAYER, 0);
    CHECK_INT(create_again(sock, &memory), 0);
    shut_down(sock, engine);
}

TEST(a_changed_template)
{
    live_run(check_template_changes);
}

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void make_blank(int sock, char id[WR_ID_LEN + 1])
{
    struct peer_reply reply;
    peer_call(sock, WR_ACTION_CREATE,
              "{\"template\":\"" LIVE_TEMPLATE "\",\"blank\":true,\"accessToken\":\"" TOKEN
              "\",\"controlToken\":\"" TOKEN "\"}",
              &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK(wr_strcopy(id, WR_ID_LEN + 1, peer_str(&reply, "id")));
}

/* Limits are those of the kernel afterwards; a blank of an old template is nobody's. */
static void check_assignment(void)
{
    char json[128], id[WR_ID_LEN + 1], old[WR_ID_LEN + 1];
    struct peer_reply reply;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    make_blank(sock, id);
    make_blank(sock, old);
    snprintf(json, sizeof(json), "{\"id\":\"%s\",\"memoryBytes\":%llu,\"diskBytes\":%llu}", id,
             (unsigned long long)(64 * WR_MIB), (unsigned long long)(32 * WR_MIB));
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, json), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_ASSIGN, json), WR_E_FAILED_PRECONDITION);
    snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
    peer_call(sock, WR_ACTION_STATS, json, &reply);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "memoryLimitBytes")), 64 * WR_MIB);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "diskLimitBytes")), 32 * WR_MIB);
    CHECK(live_processes(id) > 0);
    live_template(LIVE_LAYER, 64 * WR_MIB);
    check_code(sock, WR_ACTION_ASSIGN, old, WR_E_FAILED_PRECONDITION);
    live_template(LIVE_LAYER, 0);
    shut_down(sock, engine);
}

TEST(a_blank_is_assigned)
{
    live_run(check_assignment);
}

static void check_nest_death(void)
{
    char ids[3][WR_ID_LEN + 1];
    struct peer_reply reply;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 3; i++)
            live_create(sock, ids[i]);
        pid_t nest = live_nest(engine);
        CHECK(nest > 1 && kill(nest, SIGKILL) == 0);
        /* At once: the engine may ask the dying one, but the next request gets another. */
        if (round == 1) {
            int code = peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\"}");
            CHECK(code == 0 || code == WR_E_UNAVAILABLE);
            live_create(sock, ids[0]);
        }
        for (int gone = 0; round != 1 && gone < 3; gone++) {
            peer_recv(sock, &reply);
            CHECK_INT(reply.header.kind, WR_EVENT_GONE | WR_ACTION_EVENT);
            CHECK_STR(peer_str(&reply, "reason"), "exited");
        }
    }
    live_create(sock, ids[0]);
    CHECK(live_works(sock, ids[0]));
    shut_down(sock, engine);
}

TEST(a_killed_nest_is_replaced)
{
    live_run(check_nest_death);
}

/* Every request has an answer, whatever the nest was doing. */
static void check_nest_death_during_spawn(void)
{
    struct peer_reply reply;
    unsigned good = 0, gone = 0; /* of all rounds: the end of a nest may be reported in the next */
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    for (int round = 0; round < 8; round++) {
        unsigned answers = 0;
        /* The nest of the round before may still take a request while it dies, and not answer it.
         */
        while (peer_code(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\"}") ==
               WR_E_UNAVAILABLE)
            ;
        good++;
        pid_t nest = live_nest(engine);
        for (uint32_t i = 1; i <= 12; i++)
            peer_send(sock, WR_ACTION_CREATE, i, "{\"template\":\"" LIVE_TEMPLATE "\"}");
        usleep((useconds_t)(rand() % 20000));
        CHECK(nest > 1 && kill(nest, SIGKILL) == 0);
        while (answers < 12) {
            peer_recv(sock, &reply);
            if (reply.header.kind & WR_ACTION_EVENT) {
                gone++;
                continue;
            }
            answers++;
            good += !(reply.header.flags & WR_ACTION_FLAG_ERROR);
        }
        CHECK(gone <= good);
        /* Those of the dead nest end; those of the next one, if there is one already, live. */
        peer_call(sock, WR_ACTION_PING, "{}", &reply);
        CHECK_INT(reply.header.flags, 0);
    }
    shut_down(sock, engine);
}

TEST(death_of_the_nest_during_spawns)
{
    live_run(check_nest_death_during_spawn);
}

static void check_shutdown_during_starts(void)
{
    struct peer_reply reply;
    for (int round = 0; round < 3; round++) {
        int sock = -1, status = -1;
        pid_t engine = live_engine(&sock, true);
        for (uint32_t i = 1; i <= 8; i++)
            peer_send(sock, WR_ACTION_CREATE, i, "{\"template\":\"" LIVE_TEMPLATE "\"}");
        if (round > 0)
            usleep((useconds_t)(rand() % 30000));
        pid_t nest = live_nest(engine);
        peer_send(sock, WR_ACTION_SHUTDOWN, 100, "{}");
        if (round == 2 && nest > 1)
            CHECK(kill(nest, SIGKILL) == 0);
        unsigned answers = 0;
        do {
            peer_recv(sock, &reply);
            answers += !(reply.header.kind & WR_ACTION_EVENT);
        } while (reply.header.sequence != 100);
        CHECK_INT(answers, 9);
        CHECK_INT(reply.header.flags, 0);
        CHECK(waitpid(engine, &status, 0) == engine);
        CHECK_INT(status, 0);
        CHECK_INT(live_processes(NULL), 0);
        close(sock);
    }
}

TEST(shutdown_during_starts)
{
    live_run(check_shutdown_during_starts);
}

/* What on_found reported. */
struct found {
    struct wr_instance *instance;
    struct wr_spec spec;
    bool gone;
};

static struct {
    struct found list[512];
    size_t count, gone;
} found;

static void *on_found(void *data, struct wr_spec *spec, struct wr_instance *instance)
{
    (void)data;
    CHECK(found.count < WR_ARRAY_SIZE(found.list));
    struct found *f = &found.list[found.count++];
    *f = (struct found){.instance = instance, .spec = *spec};
    *spec = (struct wr_spec){0};
    return f;
}

static void on_gone(void *owner, enum wr_gone_reason reason)
{
    struct found *f = owner;
    (void)reason;
    f->gone = true;
    found.gone++;
}

static void on_started(void *owner, const struct wr_error *error)
{
    (void)owner;
    (void)error;
    CHECK(!"nothing is started here");
}

static bool was_found(const char *id)
{
    for (size_t i = 0; i < found.count; i++)
        if (strcmp(found.list[i].spec.id, id) == 0)
            return true;
    return false;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void run_for(struct wr_loop *loop, uint64_t ms)
{
    for (uint64_t end_ms = wr_mono_ms() + ms; wr_mono_ms() < end_ms;)
        CHECK_INT(wr_loop_step(loop, 10, &err), 0);
}

/* The machine may be busy with other tests. */
#define PATIENCE_MS 40000

/* Recovers in this process, compares what is there with what was found, ends it all. `ids`: what
 * must be found. */
static void recover_and_compare(char (*ids)[WR_ID_LEN + 1], size_t id_count)
{
    const struct wr_driver_callbacks callbacks = {
        .on_started = on_started, .on_gone = on_gone, .on_found = on_found};
    const struct wr_driver_ops *ops = &wr_driver_native;
    struct wr_driver *driver = NULL;
    struct wr_loop *loop = NULL;
    size_t before = open_descriptors();
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    if (ops->open(loop, &live_opts, &callbacks, &driver, &err) < 0 ||
        ops->recover(driver, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    for (size_t i = 0; i < id_count; i++)
        if (!was_found(ids[i]))
            wr_test_fail(__FILE__, __LINE__, "sandbox %s of %zu is lost", ids[i], id_count);
    for (uint64_t start_ms = wr_mono_ms();
         live_uppers() + found.gone > found.count && wr_mono_ms() - start_ms < PATIENCE_MS;)
        run_for(loop, 50);
    CHECK_INT(live_uppers() + found.gone, found.count); /* no upper of anything else */
    size_t processes = 0;
    for (size_t i = 0; i < found.count; i++) {
        struct found *f = &found.list[i];
        int fd = -1;
        if (f->gone)
            continue;
        CHECK_INT(ops->sockets(f->instance, 1, &fd, NULL, &err), 0);
        CHECK(live_agent_answers(fd));
        processes += live_processes(f->spec.id);
    }
    CHECK_INT(processes, found.count - found.gone);
    for (uint64_t start_ms = wr_mono_ms();
         live_processes(NULL) > processes + 1 && wr_mono_ms() - start_ms < PATIENCE_MS;)
        run_for(loop, 50);
    CHECK(live_processes(NULL) <= processes + 1); /* and at most the nest */
    for (size_t i = 0; i < found.count; i++)
        if (!found.list[i].gone)
            ops->kill(found.list[i].instance);
    for (uint64_t start_ms = wr_mono_ms();
         found.gone < found.count && wr_mono_ms() - start_ms < PATIENCE_MS;)
        run_for(loop, 20);
    CHECK_INT(found.gone, found.count);
    ops->teardown(driver);
    ops->close(driver);
    wr_loop_free(loop);
    for (size_t i = 0; i < found.count; i++)
        wr_spec_done(&found.list[i].spec);
    /* The host's network namespace is kept open by wr_instance_sockets(). */
    CHECK(open_descriptors() <= before + 1);
}

static void check_adoption(void)
{
    char ids[4][WR_ID_LEN + 1];
    struct peer_reply reply;
    int sock = -1, status = -1;
    pid_t engine = live_engine(&sock, true);
    for (int i = 0; i < 4; i++)
        live_create(sock, ids[i]);
    close(sock); /* the server went away: the engine ends, nothing else does */
    CHECK(waitpid(engine, &status, 0) == engine && status == 0);
    for (int i = 0; i < 4; i++)
        CHECK_INT(live_processes(ids[i]), 1);
    engine = live_engine(&sock, true);
    peer_call(sock, WR_ACTION_LIST, "{}", &reply);
    CHECK_INT(json_array_size(json_object_get(reply.json, "sandboxes")), 4);
    check_code(sock, WR_ACTION_KILL, ids[3], 0);
    check_gone(ids[3]);
    live_create(sock, ids[3]); /* by the adopted nest */
    CHECK(live_works(sock, ids[3]));
    CHECK(kill(engine, SIGKILL) == 0 && waitpid(engine, &status, 0) == engine);
    close(sock);
    recover_and_compare(ids, 4);
    for (size_t i = 0; i < found.count; i++)
        CHECK(strcmp(found.list[i].spec.id, ids[0]) != 0 || found.list[i].gone);
}

TEST(an_engine_adopts)
{
    live_run(check_adoption);
}

/* Answers that the engine gave before it was killed. */
static void collect(int sock, char (*ids)[WR_ID_LEN + 1], size_t *count)
{
    struct peer_reply reply;
    struct pollfd p = {.fd = sock, .events = POLLIN};
    while (poll(&p, 1, 0) == 1 && p.revents & POLLIN) {
        char byte;
        if (recv(sock, &byte, 1, MSG_PEEK) <= 0)
            return;
        peer_recv(sock, &reply);
        if (reply.header.kind == (WR_ACTION_CREATE | WR_ACTION_REPLY) && !reply.header.flags)
            CHECK(wr_strcopy(ids[(*count)++], WR_ID_LEN + 1, peer_str(&reply, "id")));
        for (size_t i = 0; i < reply.fd_count; i++)
            close(reply.fds[i]);
    }
}

static void check_crashes(void)
{
    static char ids[512][WR_ID_LEN + 1];
    size_t count = 0;
    int sock = -1;
    pid_t engine;
    srand((unsigned)getpid());
    for (int round = 0; round < 24; round++) {
        engine = live_engine(&sock, round % 3 != 2);
        for (uint32_t i = 1; i <= 6; i++)
            peer_send(sock, WR_ACTION_CREATE, i,
                      "{\"template\":\"" LIVE_TEMPLATE "\",\"sockets\":1}");
        usleep((useconds_t)(rand() % (round % 2 ? 60000 : 15000)));
        /* At least one answer, however slow the machine is. */
        for (int i = 0; round == 0 && count == 0 && i < PATIENCE_MS / 10; i++) {
            usleep(10000);
            collect(sock, ids, &count);
        }
        CHECK(kill(engine, SIGKILL) == 0 && waitpid(engine, NULL, 0) == engine);
        collect(sock, ids, &count);
        close(sock);
    }
    CHECK(count > 0);
    recover_and_compare(ids, count);
}

TEST(crashes_at_any_step)
{
    live_run(check_crashes);
}

/* A nest that nobody can reach any more: its socket is gone, its group is not. */
static void check_lost_socket(void)
{
    char id[WR_ID_LEN + 1], path[160];
    int sock = -1, status = -1;
    pid_t engine = live_engine(&sock, true);
    live_create(sock, id);
    close(sock);
    CHECK(waitpid(engine, &status, 0) == engine);
    glob_t sockets;
    snprintf(path, sizeof(path), "%s/nests/*.sock", live_opts.run_dir);
    CHECK(glob(path, 0, NULL, &sockets) == 0 && sockets.gl_pathc == 1);
    CHECK(unlink(sockets.gl_pathv[0]) == 0);
    globfree(&sockets);
    engine = live_engine(&sock, true);
    check_gone(id);
    CHECK_INT(live_processes(NULL), 0);
    live_create(sock, id);
    CHECK(live_works(sock, id));
    shut_down(sock, engine);
}

TEST(a_nest_without_socket_is_ended)
{
    live_run(check_lost_socket);
}

/* Stopped in the middle of a start: it cannot answer, but it can be killed. */
static void check_frozen_nest(void)
{
    char id[WR_ID_LEN + 1];
    int sock = -1, status = -1;
    pid_t engine = live_engine(&sock, true);
    live_create(sock, id);
    pid_t nest = live_nest(engine);
    CHECK(nest > 1 && kill(nest, SIGSTOP) == 0);
    CHECK(kill(engine, SIGKILL) == 0 && waitpid(engine, &status, 0) == engine);
    close(sock);
    uint64_t start_ms = wr_mono_ms();
    engine = live_engine(&sock, true);
    CHECK(wr_mono_ms() - start_ms < 15000);
    check_gone(id);
    live_create(sock, id);
    CHECK(live_works(sock, id));
    shut_down(sock, engine);
}

TEST(a_nest_that_hangs_is_ended)
{
    live_run(check_frozen_nest);
}

static void check_second_engine(void)
{
    int sock = -1;
    struct wr_loop *loop = NULL;
    struct wr_driver *driver = NULL;
    const struct wr_driver_callbacks callbacks = {
        .on_started = on_started, .on_gone = on_gone, .on_found = on_found};
    pid_t engine = live_engine(&sock, true);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_driver_native.open(loop, &live_opts, &callbacks, &driver, &err),
              -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "another Warren") && !driver);
    wr_loop_free(loop);
    shut_down(sock, engine);
}

TEST(one_engine_per_data_directory)
{
    live_run(check_second_engine);
}
