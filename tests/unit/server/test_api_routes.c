/* What all routes have in common: credentials, request numbers, cross-origin requests, and what is
 * not there. */
#include "base/str.h"
#include "server/api/sandboxes.h"
#include "server_fixture.h"
#include "test.h"

TEST(health_is_open)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    CHECK_INT(api(&f, -2, "GET", "/health", NULL, NULL), 200);
    CHECK(wr_ends_with(f.answer, "\r\n\r\nHealth check successful"));
    CHECK_INT(api(&f, -1, "GET", "/health", NULL, NULL), 200);
    stop(&f);
}

TEST(keys_come_before_routes)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    refused(&f, -2, "GET", "/v2/sandboxes", NULL, 401, "authorization header is missing");
    refused(&f, -2, "GET", "/nowhere", NULL, 401, "authorization header is missing");
    refused(&f, -2, "POST", "/sandboxes/x/pause", NULL, 401, "authorization header is missing");
    CHECK(wr_strcopy(f.keys[1], sizeof f.keys[1], "e2b_00"));
    refused(&f, 1, "GET", "/v2/sandboxes", NULL, 401, "Invalid API key");
    refused(&f, 0, "GET", "/nowhere", NULL, 404, "path");
    refused(&f, 0, "GET", "/sandboxes/x/y/z", NULL, 404, "path");
    refused(&f, 0, "PATCH", "/sandboxes", NULL, 405, "method");
    /* The operator's socket needs none. */
    CHECK_INT(api(&f, -1, "GET", "/v2/sandboxes", NULL, NULL), 200);
    stop(&f);
}

TEST(every_answer_has_a_request_id)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const struct {
        int key;
        const char *method, *target;
    } rows[] = {{0, "GET", "/v2/sandboxes"},   {0, "GET", "/nowhere"},  {-2, "GET", "/sandboxes"},
                {-1, "GET", "/health"},        {0, "POST", "/secrets"}, {0, "POST", "/sandboxes"},
                {0, "DELETE", "/sandboxes/x"}, {0, "GET", "/templates"}};
    char last[128] = "", id[128];
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        (void)api(&f, rows[i].key, rows[i].method, rows[i].target, NULL, NULL);
        CHECK(wr_str_only(header(&f, "X-Request-Id", id), "0123456789abcdef", 16, 16));
        CHECK(strcmp(id, last) != 0);
        memcpy(last, id, sizeof last);
    }
    stop(&f);
}

TEST(cross_origin_requests)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const char origin[] = "Origin: https://a.test\r\n";
    static const char preflight[] = "Origin: https://a.test\r\n"
                                    "Access-Control-Request-Method: POST\r\n"
                                    "Access-Control-Request-Headers: x-api-key, lang\r\n";
    char id[128];

    CHECK_INT(api_with(&f, -2, "OPTIONS", "/sandboxes", preflight, NULL, NULL), 204);
    CHECK(answered(&f, "Access-Control-Allow-Origin: *"));
    CHECK(answered(&f, "Access-Control-Allow-Headers: x-api-key, lang"));
    CHECK(strstr(header(&f, "Access-Control-Allow-Methods", id), "DELETE"));
    CHECK_INT(api_with(&f, 0, "GET", "/v2/sandboxes", origin, NULL, NULL), 200);
    CHECK(answered(&f, "Access-Control-Allow-Origin: *"));
    CHECK(strstr(f.answer, "X-Next-Token, X-Total-Running"));
    /* Errors too, else a browser's client sees nothing of them. */
    CHECK_INT(api_with(&f, -2, "GET", "/v2/sandboxes", origin, NULL, NULL), 401);
    CHECK(answered(&f, "Access-Control-Allow-Origin: *"));
    CHECK_INT(api(&f, 0, "GET", "/v2/sandboxes", NULL, NULL), 200);
    CHECK(!strstr(f.answer, "Access-Control"));
    /* No preflight: not without the field, and not on the operator's socket. */
    CHECK_INT(api_with(&f, -2, "OPTIONS", "/sandboxes", origin, NULL, NULL), 401);
    CHECK_INT(api_with(&f, -1, "OPTIONS", "/sandboxes", preflight, NULL, NULL), 405);
    CHECK(!strstr(f.answer, "Access-Control"));
    stop(&f);
}

TEST(what_is_not_there_yet)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const struct {
        const char *method, *target;
    } rows[] = {
        {"POST", "/v3/templates"},
        {"POST", "/v2/templates"},
        {"POST", "/templates"},
        {"POST", "/templates/x"},
        {"PATCH", "/templates/x"},
        {"PATCH", "/v2/templates/x"},
        {"POST", "/templates/tags"},
        {"DELETE", "/templates/tags"},
        {"POST", "/templates/x/builds/y"},
        {"POST", "/v2/templates/x/builds/y"},
        {"GET", "/templates/x/builds/y/status"},
        {"GET", "/templates/x/builds/y/logs"},
        {"GET", "/templates/x/files/0123"},
        {"POST", "/access-tokens"},
        {"DELETE", "/access-tokens/x"},
        {"GET", "/nodes"},
        {"GET", "/nodes/x"},
        {"POST", "/nodes/x"},
        {"POST", "/admin/teams/x/sandboxes/kill"},
        {"GET", "/admin/sandboxes/running-counts"},
        {"POST", "/admin/teams/x/builds/cancel"},
        {"POST", "/admin/teams/x/api-keys"},
        {"DELETE", "/admin/teams/x/api-keys/y"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        refused(&f, 0, rows[i].method, rows[i].target, NULL, 501, "not available yet");
    stop(&f);
}

TEST(trap_20_one_segment_may_hold_a_slash)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    refused(&f, 0, "DELETE", "/templates/ns%2Fname%3Atag", NULL, 404,
            "template 'ns/name:tag' not found");
    refused(&f, 0, "DELETE", "/templates/ns/name:tag", NULL, 404, "path");
    refused(&f, 0, "GET", "/templates/ns%2Fname%3Atag", NULL, 404,
            "template 'ns/name:tag' not found");
    CHECK_INT(api(&f, 0, "GET", "/templates/default%2Fbase%3Adefault", NULL, NULL), 200);
    stop(&f);
}

TEST(large_bodies)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static char body[WR_API_MAX_BODY + 2];
    memset(body, ' ', sizeof body - 1);
    refused(&f, 0, "POST", "/sandboxes", body, 413, "too large");
    stop(&f);
}

/* They tell about all teams. */
TEST(figures_for_prometheus)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    CHECK_INT(api(&f, -1, "GET", "/metrics", NULL, NULL), 200);
    CHECK(strstr(f.answer, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    CHECK(strstr(f.answer, "\n# TYPE warren_sandboxes_created_total counter\n"
                           "warren_sandboxes_created_total 0\n"));
    CHECK_INT(api(&f, 0, "GET", "/metrics", NULL, NULL), 200);
    CHECK(strstr(f.answer, "\nwarren_api_requests_total{status=\"2xx\"} 1\n"));
    refused(&f, 1, "GET", "/metrics", NULL, 403, "only keys of the default team");
    refused(&f, -2, "GET", "/metrics", NULL, 401, "authorization header is missing");
    stop(&f);
}

TEST(network_of_a_sandbox_that_does_not_exist)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const char *const paths[] = {"/sandboxes/00000000000000000000/network",
                                        "/sandboxes/00000000000000000000/network/log",
                                        "/sandboxes/00000000000000000000/network/log?after=x"};
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
        refused(&f, 0, "GET", paths[i], NULL, 404, "00000000000000000000");
    stop(&f);
}

/* Each key has a budget of its own, so a team cannot make any number of them for itself. */
TEST(keys_of_a_team_are_bounded)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    int status = 201, made = 0;
    for (; made < 200 && status == 201; made++)
        status = api(&f, 1, "POST", "/api-keys", "{\"name\":\"more\"}", NULL);
    CHECK_INT(status, 429);
    CHECK_INT(made, 100); /* with the one that was there, and the attempt that failed */
    /* The other team is not concerned, and neither is the operator. */
    CHECK_INT(api(&f, 0, "POST", "/api-keys", "{\"name\":\"one\"}", NULL), 201);
    CHECK_INT(api(&f, -1, "POST", "/api-keys", "{\"name\":\"two\"}", NULL), 201);
    stop(&f);
}
