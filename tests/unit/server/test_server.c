/* The server as a process, over its socket, with a fake engine behind it. */
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "client/api_sandbox.h"
#include "client/request.h"
#include "server/store/store.h"
#include "server_fixture.h"
#include "test.h"

TEST(create_list_kill)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err = {0};
    char id[21], other[21];
    json_t *list = NULL;

    CHECK_INT(count(&f), 0);
    CHECK_INT(create(&f, "base", 0, id, &err), 0);
    CHECK_INT(create(&f, "base", 0, other, &err), 0);
    CHECK_INT(wr_api_sandbox_list(f.client, &list, &err), 0);
    CHECK_INT(json_array_size(list), 2);
    const json_t *one = json_array_get(list, 0);
    CHECK_STR(json_string_value(json_object_get(one, "state")), "running");
    CHECK_STR(json_string_value(json_object_get(one, "envdVersion")), "0.6.13");
    CHECK_INT(json_integer_value(json_object_get(one, "cpuCount")), 2);
    CHECK_STR(json_string_value(json_object_get(json_object_get(one, "metadata"), "k")), "v");
    json_decref(list);
    CHECK_INT(wr_api_sandbox_kill(f.client, id, &err), 0);
    CHECK_INT(wr_api_sandbox_kill(f.client, id, &err), -WR_E_NOT_FOUND);
    CHECK_INT(count(&f), 1);
    stop(&f);
}

TEST(engine_errors_reach_the_client)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err;
    char id[21];

    CHECK(create(&f, "fail", 0, id, &err) < 0);
    CHECK_STR(err.msg, "this template fails");
    CHECK_INT(create(&f, "missing", 0, id, &err), -WR_E_NOT_FOUND);
    CHECK_INT(create(&f, "restart", 0, id, &err), -WR_E_UNAVAILABLE);
    CHECK_INT(create(&f, "base", 86401, id, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(create(&f, "base", 0, id, &err), 0);
    stop(&f);
}

/* The engine's answer is there before the client leaves, and the server sees both at once: it
 * answers into a socket that nobody reads. */
TEST(create_whose_answer_nobody_gets)
{
    static const char request[] =
        "POST /sandboxes HTTP/1.1\r\nHost: x\r\nContent-Length: 21\r\n\r\n"
        "{\"templateID\":\"slow\"}";
    struct fixture f = start(0, NULL, 0);

    int fd = connect_raw(&f);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    (void)poll(NULL, 0, 50);
    kill(f.server, SIGSTOP);
    (void)poll(NULL, 0, 150);
    close(fd);
    kill(f.server, SIGCONT);
    CHECK_INT(count(&f), 0);
    stop(&f);
}

static void wait_for_count(struct fixture *f, size_t wanted)
{
    for (int i = 0; i < 3000 && count(f) != wanted; i++)
        (void)poll(NULL, 0, 10);
    CHECK_INT(count(f), wanted);
}

TEST(gone_sandboxes_disappear)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err;
    char id[21];

    CHECK_INT(create(&f, "dies", 0, id, &err), 0);
    wait_for_count(&f, 0);
    stop(&f);
}

TEST(deadline_kills)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err;
    char id[21];

    CHECK_INT(create(&f, "base", 1, id, &err), 0);
    CHECK_INT(count(&f), 1);
    wait_for_count(&f, 0);
    stop(&f);
}

TEST(timeout_moves_the_deadline)
{
    struct fixture f = start(0, NULL, 0);
    struct wr_error err = {0};
    char id[21], target[64];
    struct wr_transport_request request = {.method = "POST",
                                           .target = target,
                                           .content_type = "application/json",
                                           .body = "{\"timeout\":60}",
                                           .body_len = 14};

    CHECK_INT(create(&f, "base", 1, id, &err), 0);
    snprintf(target, sizeof target, "/sandboxes/%s/timeout", id);
    CHECK_INT(wr_transport_request(f.client, &request, 0, NULL, &err), 0);
    (void)poll(NULL, 0, 1300);
    CHECK_INT(count(&f), 1);
    request.body = "{\"timeout\":0}";
    request.body_len = 13;
    CHECK_INT(wr_transport_request(f.client, &request, 0, NULL, &err), 0);
    CHECK_INT(count(&f), 0);
    CHECK_INT(wr_transport_request(f.client, &request, 0, NULL, &err), -WR_E_NOT_FOUND);
    stop(&f);
}

TEST(new_server_finds_old_sandboxes)
{
    struct fixture f = start_with(&(struct start_opts){
        .preset = 5, .settings = "{\"metadata\":{\"who\":\"me\"}}", .lifetime_ms = 3000});
    struct wr_error err = {0};
    json_t *list = NULL, *one = NULL;

    CHECK_INT(wr_api_sandbox_list(f.client, &list, &err), 0);
    CHECK_INT(json_array_size(list), 5);
    CHECK_STR(text_of(json_object_get(json_array_get(list, 0), "metadata"), "who"), "me");
    json_decref(list);
    CHECK_INT(api(&f, -1, "GET", "/sandboxes/aaaaaaaaaaaaaaaaaaaa", NULL, &one), 200);
    CHECK_INT(strlen(text_of(one, "envdAccessToken")), 64);
    json_decref(one);
    CHECK_INT(wr_api_sandbox_kill(f.client, "cccccccccccccccccccc", &err), 0);
    CHECK_INT(count(&f), 4);
    wait_for_count(&f, 0);
    stop(&f);
}

/* A server that died between the engine's answer and the row. */
TEST(half_made_sandboxes_are_killed)
{
    struct fixture f = start(5, NULL, 0);
    char id[21];

    CHECK_INT(count(&f), 0);
    /* The engine has none of them: a new server with rows for them would drop the rows. */
    json_decref(created(&f, -1, "/sandboxes", "{\"templateID\":\"base\"}", id));
    CHECK_INT(count(&f), 1);
    stop(&f);
}

static void note(const char *id, void *data)
{
    size_t *count = data;
    (void)id;
    (*count)++;
}

static size_t rows_in(const struct fixture *f)
{
    struct wr_error err = {0};
    struct wr_store *store = NULL;
    size_t count = 0;
    CHECK_INT(wr_store_open(f->dir, &store, &err), 0);
    CHECK_INT(wr_store_sandbox_each_id(store, note, &count, &err), 0);
    wr_store_free(store);
    return count;
}

TEST(rows_go_with_their_sandboxes)
{
    struct fixture f = start_with(
        &(struct start_opts){.preset = 2, .settings = "{}", .more_rows = 3, .lifetime_ms = 60000});
    struct wr_error err = {0};
    char id[21];

    CHECK_INT(rows_in(&f), 2);

    json_decref(created(&f, -1, "/sandboxes", "{\"templateID\":\"base\"}", id));
    CHECK_INT(create(&f, "dies", 60, id, &err), 0);
    CHECK_INT(create(&f, "fail", 60, id, &err), -WR_E_INVALID_ARGUMENT);
    wait_for_count(&f, 3);
    CHECK_INT(rows_in(&f), 3);
    CHECK_INT(wr_api_sandbox_kill(f.client, "aaaaaaaaaaaaaaaaaaaa", &err), 0);
    CHECK_INT(rows_in(&f), 2);
    kill(f.server, SIGKILL);
    CHECK_INT(exit_of(f.server), 1000 + SIGKILL);
    CHECK_INT(exit_of(f.engine), 0);
    CHECK_INT(rows_in(&f), 2);
    clean(&f);
}

TEST(unreadable_settings_do_not_hide_a_sandbox)
{
    struct fixture f = start(1, "from another program", 0);
    CHECK_INT(count(&f), 1);
    stop(&f);
}

TEST(idle_server_ends_with_its_engine)
{
    struct fixture f = start(0, NULL, 300);
    f.client = wr_transport_free(f.client);
    CHECK_INT(exit_of(f.server), 0);
    CHECK_INT(exit_of(f.engine), 42); /* it was told to shut down */
    clean(&f);
}

TEST(lost_engine_ends_the_server)
{
    struct fixture f = start(0, NULL, 0);
    kill(f.engine, SIGKILL);
    CHECK_INT(exit_of(f.engine), 1000 + SIGKILL);
    CHECK_INT(exit_of(f.server), WR_E_UNAVAILABLE);
    clean(&f);
}

TEST(api_refuses_what_it_does_not_know)
{
    struct fixture f = start(0, NULL, 0);
    char answer[4096];

    raw(&f, "GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer, sizeof answer);
    CHECK(strstr(answer, "HTTP/1.1 404") && strstr(answer, "\"code\":404"));
    raw(&f, "PUT /sandboxes HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    CHECK(strstr(answer, "HTTP/1.1 405"));
    raw(&f, "GET /sandboxes/../../etc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", answer,
        sizeof answer);
    CHECK(strstr(answer, "HTTP/1.1 404"));
    stop(&f);
}
