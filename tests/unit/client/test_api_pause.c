/* Pausing, forks and snapshots as commands ask for them (api_pause.c, snapshots.c). */
#include "client/api_pause.h"
#include "client/api_sandbox.h"
#include "client/endpoint.h"
#include "client/http_script.h"
#include "client/snapshots.h"
#include "json/jread.h"
#include "test.h"

#define ID "0123456789abcdefghij"

#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define SANDBOX    HTTP_BODY("201 Created", "{\"sandboxID\":\"" ID "\"}")
#define NOT_FOUND  HTTP_BODY("404 Not Found", "{\"code\":404,\"message\":\"not there\"}")

struct scene {
    struct http_script *script;
    struct wr_transport *transport;
    struct wr_error err;
};

static void begin(struct scene *scene, const struct http_step *steps, size_t count)
{
    struct wr_endpoint *endpoint = NULL;

    *scene = (struct scene){.script = http_script_start(steps, count)};
    CHECK_INT(wr_endpoint_new_url(scene->script->url, "test", &endpoint, &scene->err), 0);
    CHECK_INT(wr_transport_open(endpoint, &scene->transport, &scene->err), 0);
    wr_endpoint_free(endpoint);
}

static void end(struct scene *scene)
{
    wr_transport_free(scene->transport);
    http_script_end(scene->script);
}

static bool has(const struct scene *scene, size_t request, const char *text)
{
    return strstr(scene->script->requests[request], text) != NULL;
}

TEST(pause_and_resume)
{
    const struct http_step steps[] = {
        {"POST /sandboxes/" ID "/pause HTTP",
         "HTTP/1.1 204 No Content\r\nX-Warren-Pause-Level: frozen\r\n"
         "X-Warren-Pause-Reason: an io_uring is open\r\n\r\n",
         false},
        {"POST /sandboxes/" ID "/pause HTTP",
         HTTP_BODY("409 Conflict", "{\"code\":409,\"message\":\"it is paused\"}"), false},
        {"POST /sandboxes/" ID "/connect HTTP", SANDBOX, false},
        {"POST /sandboxes/" ID "/rollback HTTP", SANDBOX, false},
    };
    struct wr_api_paused paused = {.level = "untouched"};
    struct scene scene;

    begin(&scene, steps, 4);
    CHECK_INT(
        wr_api_sandbox_pause(scene.transport, ID, &(struct wr_pause_opts){0}, &paused, &scene.err),
        0);
    CHECK_STR(paused.level, "frozen");
    CHECK_STR(paused.reason, "an io_uring is open");
    CHECK_INT(
        wr_api_sandbox_pause(scene.transport, ID, &(struct wr_pause_opts){0}, &paused, &scene.err),
        -WR_E_ALREADY_EXISTS);
    CHECK_STR(paused.level, "frozen");
    CHECK_INT(wr_api_sandbox_resume(scene.transport, ID, &(struct wr_resume_opts){.timeout_s = 9},
                                    &scene.err),
              0);
    CHECK(has(&scene, 2, "{\"timeout\":9}"));
    CHECK_INT(wr_api_sandbox_rollback(scene.transport, ID, "a:default", 5, &scene.err), 0);
    CHECK_INT(wr_api_sandbox_pause(scene.transport, "../x", &(struct wr_pause_opts){0}, &paused,
                                   &scene.err),
              -WR_E_INVALID_ARGUMENT);
    end(&scene);
}

TEST(forks)
{
    const struct http_step steps[] = {
        {"POST /sandboxes/" ID "/fork HTTP",
         HTTP_BODY("201 Created", "[{\"sandbox\":{}},{\"error\":{}}]"), false},
        {"POST /sandboxes/" ID "/fork HTTP", HTTP_BODY("201 Created", "{\"sandbox\":{}}"), false},
        {"POST /sandboxes/" ID "/fork HTTP", NOT_FOUND, false},
    };
    const struct wr_fork_opts opts = {.count = 2, .timeout_s = 3};
    wr_auto_json *list = NULL;
    json_t *none = NULL;
    struct scene scene;

    begin(&scene, steps, 3);
    CHECK_INT(wr_api_sandbox_fork(scene.transport, ID, &opts, &list, &scene.err), 0);
    CHECK_INT(json_array_size(list), 2);
    CHECK(has(&scene, 0, "{\"timeout\":3,\"count\":2}"));
    CHECK_INT(wr_api_sandbox_fork(scene.transport, ID, &opts, &none, &scene.err), -WR_E_INTERNAL);
    CHECK_INT(wr_api_sandbox_fork(scene.transport, ID, &opts, &none, &scene.err), -WR_E_NOT_FOUND);
    CHECK(none == NULL);
    end(&scene);
}

TEST(lists_are_read_to_their_end)
{
    const struct http_step steps[] = {
        {"GET /v2/sandboxes?limit=100 HTTP",
         "HTTP/1.1 200 OK\r\nX-Next-Token: two\r\nContent-Length: ?\r\n\r\n[{\"state\":\"running\"}]",
         false},
        {"GET /v2/sandboxes?limit=100&nextToken=two HTTP",
         HTTP_BODY("200 OK", "[{\"state\":\"paused\"}]"), false},
        {"GET /snapshots?limit=100&name=a%3Ab HTTP", HTTP_BODY("200 OK", "[]"), false},
    };
    wr_auto_json *sandboxes = NULL, *snapshots = NULL;
    struct scene scene;

    begin(&scene, steps, 3);
    CHECK_INT(wr_api_sandbox_list(scene.transport, &sandboxes, &scene.err), 0);
    CHECK_INT(json_array_size(sandboxes), 2);
    CHECK_INT(wr_api_snapshot_list(scene.transport, &(struct wr_snapshot_list_opts){.name = "a:b"},
                                   &snapshots, &scene.err),
              0);
    end(&scene);
}

TEST(snapshots)
{
    const struct http_step steps[] = {
        {"POST /sandboxes/" ID "/snapshots HTTP",
         HTTP_BODY("201 Created", "{\"snapshotID\":\"a:default\",\"names\":[]}"), false},
        {"POST /sandboxes/" ID "/snapshots HTTP", HTTP_BODY("201 Created", "{\"names\":[]}"),
         false},
        {"GET /snapshots/a%3Adefault/tree HTTP", HTTP_BODY("200 OK", "{\"nodes\":[]}"), false},
        {"GET /snapshots/a%3Adefault/tree HTTP", HTTP_BODY("200 OK", "{}"), false},
        {"DELETE /templates/a%3Adefault HTTP", NO_CONTENT, false},
        {"DELETE /templates/a%3Adefault HTTP", NOT_FOUND, false},
        {"GET /sandboxes/" ID " HTTP", HTTP_BODY("200 OK", "{\"state\":\"paused\"}"), false},
    };
    const struct wr_snapshot_opts opts = {0};
    wr_auto_json *made = NULL, *tree = NULL, *info = NULL;
    json_t *none = NULL;
    struct scene scene;

    begin(&scene, steps, 7);
    CHECK_INT(wr_api_snapshot_create(scene.transport, ID, &opts, &made, &scene.err), 0);
    CHECK_INT(wr_api_snapshot_create(scene.transport, ID, &opts, &none, &scene.err),
              -WR_E_INTERNAL);
    CHECK_INT(wr_api_snapshot_tree(scene.transport, "a:default", &tree, &scene.err), 0);
    CHECK_INT(wr_api_snapshot_tree(scene.transport, "a:default", &none, &scene.err),
              -WR_E_INTERNAL);
    CHECK_INT(wr_api_snapshot_remove(scene.transport, "a:default", &scene.err), 0);
    CHECK_INT(wr_api_snapshot_remove(scene.transport, "a:default", &scene.err), -WR_E_NOT_FOUND);
    CHECK_INT(wr_api_sandbox_get(scene.transport, ID, &info, &scene.err), 0);
    CHECK(none == NULL);
    end(&scene);
}
