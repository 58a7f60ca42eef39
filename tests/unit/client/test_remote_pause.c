/* Pausing, forks and snapshots of the driver over HTTP (remote_pause.c, remote_snapshot.c), through
 * the public functions, against a server that follows a script. */
#include "client/http_script.h"
#include "client/remote.h"
#include "json/value.h"
#include "test.h"
#include "warren/snapshot.h"

#define KEY "e2b_0123456789abcdef0123"
#define ID  "i0123456789abcdefghij"
#define ONE "ione45678901234567890"
#define TWO "itwo45678901234567890"

#define CREATED        HTTP_BODY("201 Created", "{\"sandboxID\":\"" ID "\"}  ")
#define NO_CONTENT     "HTTP/1.1 204 No Content\r\n\r\n"
#define NOT_FOUND      HTTP_BODY("404 Not Found", "{\"code\":404,\"message\":\"not there\"}")
#define ALREADY_PAUSED HTTP_BODY("409 Conflict", "{\"code\":409,\"message\":\"it is paused\"} ")
#define PAUSED(head)   "HTTP/1.1 204 No Content\r\n" head "\r\n"

#define OPTS(type, ...) (&(const struct type){.struct_size = sizeof(struct type), __VA_ARGS__})

struct scene {
    struct http_script *script;
    struct wr_client *client;
    struct wr_sandbox *sandbox;
    struct wr_error err;
};

/* The first step must be the creation. */
static void begin(struct scene *scene, const struct http_step *steps, size_t count)
{
    *scene = (struct scene){.script = http_script_start(steps, count)};
    scene->client =
        wr_client_new(OPTS(wr_client_opts, .backend = WR_BACKEND_E2B, .api_key = KEY,
                           .api_url = scene->script->url, .sandbox_url = scene->script->url,
                           .request_timeout_ms = 20000),
                      &scene->err);
    CHECK(scene->client != NULL);
    CHECK_INT(wr_sandbox_create(scene->client, NULL, NULL, &scene->sandbox, &scene->err), 0);
}

static void end(struct scene *scene)
{
    wr_sandbox_free(scene->sandbox);
    wr_client_free(scene->client);
    http_script_end(scene->script);
}

static bool has(const struct scene *scene, size_t request, const char *text)
{
    return strstr(scene->script->requests[request], text) != NULL;
}

TEST(a_pause_tells_its_level_and_why_it_is_less)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/pause HTTP", NO_CONTENT, false},
        {"POST /sandboxes/" ID "/pause HTTP",
         PAUSED("X-Warren-Pause-Level: frozen\r\nX-Warren-Pause-Reason: an io_uring is open\r\n"),
         false},
        {"POST /sandboxes/" ID "/pause HTTP", PAUSED("x-warren-pause-level: frozen\r\n"), false},
    };
    wr_auto_value *plain = NULL, *less = NULL;
    struct scene scene;

    begin(&scene, steps, 4);
    CHECK_INT(wr_sandbox_pause(scene.sandbox, NULL, NULL, &plain, &scene.err), 0);
    CHECK(has(&scene, 1, "{\"memory\":true}"));
    CHECK(wr_value_get(plain, "level") == NULL);
    CHECK_INT(wr_sandbox_pause(scene.sandbox, OPTS(wr_pause_opts, .files_only = true), NULL, &less,
                               &scene.err),
              0);
    CHECK(has(&scene, 2, "{\"memory\":false}"));
    CHECK_STR(wr_value_string(less, "level"), "frozen");
    CHECK_STR(wr_value_string(less, "reason"), "an io_uring is open");
    /* By its id, and nobody wants to know. */
    CHECK_INT(wr_sandbox_pause_id(scene.client, ID, OPTS(wr_pause_opts, .level = WR_SANDBOX_FROZEN),
                                  NULL, NULL, &scene.err),
              0);
    CHECK(has(&scene, 3, "{\"memory\":true,\"level\":\"frozen\"}"));
    CHECK_INT(wr_sandbox_pause_id(scene.client, "../x", NULL, NULL, NULL, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    end(&scene);
}

TEST(one_that_is_paused_already_is_asked_for_its_level)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/pause HTTP", ALREADY_PAUSED, false},
        {"GET /sandboxes/" ID " HTTP",
         HTTP_BODY("200 OK", "{\"state\":\"paused\",\"pause\":{\"level\":\"hibernated\"}}"), false},
        {"POST /sandboxes/" ID "/pause HTTP", ALREADY_PAUSED, false},
        {"GET /sandboxes/" ID " HTTP", HTTP_BODY("200 OK", "{\"state\":\"paused\"}"), false},
        {"POST /sandboxes/" ID "/pause HTTP",
         HTTP_BODY("501 Not Implemented", "{\"code\":501,\"message\":\"no\"}"), false},
    };
    wr_auto_value *level = NULL, *none = NULL;
    struct wr_value *untouched = NULL;
    struct scene scene;

    begin(&scene, steps, 6);
    CHECK_INT(wr_sandbox_pause(scene.sandbox, NULL, NULL, &level, &scene.err), 0);
    CHECK_STR(wr_value_string(level, "level"), "hibernated");
    CHECK_INT(wr_sandbox_pause(scene.sandbox, NULL, NULL, &none, &scene.err), 0);
    CHECK_INT(wr_value_count(none), 0);
    CHECK_INT(wr_sandbox_pause(scene.sandbox, NULL, NULL, &untouched, &scene.err),
              -WR_E_UNIMPLEMENTED);
    CHECK(untouched == NULL);
    end(&scene);
}

TEST(resume_and_rollback_keep_the_handle)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/connect HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/connect HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/rollback HTTP", HTTP_BODY("200 OK", "{\"sandboxID\":\"" ID "\"}"),
         false},
        {"POST /sandboxes/" ID "/rollback HTTP", NOT_FOUND, false},
    };
    struct scene scene;

    begin(&scene, steps, 5);
    CHECK_INT(wr_sandbox_resume(scene.sandbox, NULL, NULL, &scene.err), 0);
    CHECK(has(&scene, 1, "{\"timeout\":300}"));
    CHECK_INT(wr_sandbox_resume(scene.sandbox,
                                OPTS(wr_resume_opts, .timeout_s = 8, .files_only = true), NULL,
                                &scene.err),
              0);
    CHECK(has(&scene, 2, "{\"timeout\":8,\"memory\":false}"));
    CHECK_INT(wr_sandbox_rollback(scene.sandbox, "abc:default", 9, NULL, &scene.err), 0);
    CHECK(has(&scene, 3, "{\"snapshotID\":\"abc:default\",\"timeout\":9}"));
    CHECK_INT(wr_sandbox_rollback(scene.sandbox, "gone", 0, NULL, &scene.err), -WR_E_NOT_FOUND);
    CHECK_STR(wr_sandbox_id(scene.sandbox), ID);
    end(&scene);
}

TEST(forks_become_handles_and_the_others_say_why)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/fork HTTP",
         HTTP_BODY("201 Created",
                   "[{\"sandbox\":{\"sandboxID\":\"" ONE "\",\"envdAccessToken\":\"t1\"}},"
                   "{\"error\":{\"code\":429,\"message\":\"too many sandboxes\"}},"
                   "{\"sandbox\":{\"sandboxID\":\"" TWO "\"}}]"),
         false},
        {"POST /sandboxes/" ID "/fork HTTP",
         HTTP_BODY("201 Created", "[{\"error\":{\"code\":503,\"message\":\"no room\"}}]"), false},
        {"POST /sandboxes/" ID "/fork HTTP", HTTP_BODY("201 Created", "{}"), false},
    };
    struct wr_sandbox *forks[3] = {0};
    struct scene scene;
    size_t made = 7;

    begin(&scene, steps, 4);
    CHECK_INT(wr_sandbox_fork(scene.sandbox, OPTS(wr_fork_opts, .count = 3, .timeout_s = 5), NULL,
                              forks, &made, &scene.err),
              0);
    CHECK(has(&scene, 1, "{\"timeout\":5,\"count\":3}"));
    CHECK_INT(made, 2);
    CHECK_STR(wr_sandbox_id(forks[0]), ONE);
    CHECK_STR(wr_sandbox_id(forks[1]), TWO);
    CHECK(forks[2] == NULL);
    CHECK_STR(scene.err.msg, "too many sandboxes");
    wr_sandbox_free(forks[0]);
    wr_sandbox_free(forks[1]);
    forks[0] = NULL;
    made = 7;
    CHECK_INT(wr_sandbox_fork(scene.sandbox, NULL, NULL, forks, &made, &scene.err),
              -WR_E_UNAVAILABLE);
    CHECK_INT(wr_sandbox_fork(scene.sandbox, NULL, NULL, forks, &made, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(made, 7);
    CHECK(forks[0] == NULL);
    CHECK_INT(wr_sandbox_fork(scene.sandbox, OPTS(wr_fork_opts, .count = WR_FORK_MAX + 1), NULL,
                              forks, &made, &scene.err),
              -WR_E_INVALID_ARGUMENT);
    end(&scene);
}

TEST(snapshots)
{
    const struct http_step steps[] = {
        {"POST /sandboxes HTTP", CREATED, false},
        {"POST /sandboxes/" ID "/snapshots HTTP",
         HTTP_BODY("201 Created", "{\"snapshotID\":\"t/before:v1\",\"names\":[\"t/before\"]}"),
         false},
        {"GET /snapshots?limit=100&sandboxID=" ID " HTTP",
         "HTTP/1.1 200 OK\r\nX-Next-Token: more\r\nContent-Length: ?\r\n\r\n"
         "[{\"snapshotID\":\"a\"}]",
         false},
        {"GET /snapshots?limit=100&sandboxID=" ID "&nextToken=more HTTP",
         HTTP_BODY("200 OK", "[{\"snapshotID\":\"b\"}]"), false},
        {"GET /snapshots/t%2Fbefore%3Av1/tree HTTP",
         HTTP_BODY("200 OK", "{\"nodes\":[{\"kind\":\"sandbox\",\"id\":\"" ID "\"}]}"), false},
        {"DELETE /templates/t%2Fbefore%3Av1 HTTP", NO_CONTENT, false},
        {"DELETE /templates/t%2Fbefore%3Av1 HTTP", NOT_FOUND, false},
        {"GET /snapshots/none/tree HTTP", NOT_FOUND, false},
    };
    wr_auto_value *made = NULL, *list = NULL, *tree = NULL;
    struct scene scene;

    begin(&scene, steps, 8);
    CHECK_INT(wr_snapshot_create(scene.sandbox,
                                 OPTS(wr_snapshot_opts, .name = "before:v1", .files_only = true),
                                 NULL, &made, &scene.err),
              0);
    CHECK(has(&scene, 1, "{\"name\":\"before:v1\",\"memory\":false}"));
    const char *id = wr_value_string(made, "snapshotID");
    CHECK_STR(id, "t/before:v1");
    CHECK_INT(wr_snapshot_list(scene.client, OPTS(wr_snapshot_list_opts, .sandbox_id = ID), NULL,
                               &list, &scene.err),
              0);
    CHECK_INT(wr_value_count(list), 2);
    CHECK_INT(wr_snapshot_tree(scene.client, id, NULL, &tree, &scene.err), 0);
    CHECK_INT(wr_value_count(wr_value_get(tree, "nodes")), 1);
    CHECK_INT(wr_snapshot_delete(scene.client, id, NULL, &scene.err), 0);
    CHECK_INT(wr_snapshot_delete(scene.client, id, NULL, &scene.err), 0);
    CHECK_INT(wr_snapshot_tree(scene.client, "none", NULL, &tree, &scene.err), -WR_E_NOT_FOUND);
    end(&scene);
}
