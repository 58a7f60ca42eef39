/* POST /sandboxes and POST /v2/sandboxes, GET and DELETE of one, and its network. */
#include "base/clock.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "server/store/uuid.h"
#include "server/template_ref.h"
#include "server_fixture.h"
#include "test.h"

#define HEX "0123456789abcdef"

TEST(version_1)
{
    struct fixture f = start_with(&(struct start_opts){.api = true, .domain = "sbx.test:8443"});
    char id[21], template_id[WR_TEMPLATE_ID_LEN + 1];

    json_t *made = created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id);
    wr_template_id("base", template_id);
    CHECK(wr_id_valid(id));
    CHECK_STR(text_of(made, "templateID"), template_id);
    CHECK_STR(text_of(made, "alias"), "base");
    CHECK_STR(text_of(made, "clientID"), "warren");
    CHECK_STR(text_of(made, "envdVersion"), "0.6.13");
    CHECK_STR(text_of(made, "domain"), "sbx.test:8443");
    /* Trap 6: absent, not null. */
    CHECK(!json_object_get(made, "envdAccessToken") &&
          !json_object_get(made, "trafficAccessToken"));
    json_decref(made);
    stop(&f);
}

TEST(secure_sandboxes_have_a_token)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], other[21], target[64];
    json_t *one = NULL;

    json_t *made =
        created(&f, 0, "/v2/sandboxes",
                "{\"templateID\":\"secure\",\"network\":{\"allowPublicTraffic\":false}}", id);
    CHECK(wr_str_only(text_of(made, "envdAccessToken"), HEX, 64, 64));
    CHECK(wr_str_only(text_of(made, "trafficAccessToken"), HEX, 64, 64));
    CHECK(strcmp(text_of(made, "envdAccessToken"), text_of(made, "trafficAccessToken")) != 0);
    CHECK(!json_object_get(made, "domain"));
    json_t *next =
        created(&f, 0, "/sandboxes", "{\"templateID\":\"secure\",\"secure\":true}", other);
    CHECK(strcmp(text_of(made, "envdAccessToken"), text_of(next, "envdAccessToken")) != 0);
    CHECK(!json_object_get(next, "trafficAccessToken"));
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(&f, 0, "GET", target, NULL, &one), 200);
    CHECK_STR(text_of(one, "envdAccessToken"), text_of(made, "envdAccessToken"));
    json_decref(one);
    json_decref(made);
    json_decref(next);
    stop(&f);
}

TEST(trap_28_default_lifetime)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const struct {
        const char *target;
        int seconds;
    } rows[] = {{"/sandboxes", 15}, {"/v2/sandboxes", 300}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char id[21], target[64];
        json_t *one = NULL;
        uint64_t before = wr_wall_ms();
        json_decref(created(&f, 0, rows[i].target, "{\"templateID\":\"base\"}", id));
        uint64_t after = wr_wall_ms();
        snprintf(target, sizeof target, "/sandboxes/%s", id);
        CHECK_INT(api(&f, 0, "GET", target, NULL, &one), 200);
        uint64_t end_us = 0;
        CHECK_INT(wr_parse_rfc3339(text_of(one, "endAt"), &end_us), 0);
        CHECK(end_us / 1000 >= before + (uint64_t)rows[i].seconds * 1000 &&
              end_us / 1000 <= after + (uint64_t)rows[i].seconds * 1000);
        json_decref(one);
    }
    stop(&f);
}

TEST(trap_1_errors_have_a_code)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});

    refused(&f, 0, "POST", "/sandboxes", "{", 400, "JSON");
    refused(&f, 0, "POST", "/sandboxes", "{}", 400, "templateID");
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"base\",\"frob\":1}", 400, "frob");
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"base\",\"timeout\":0}", 400,
            "Timeout must be greater than 0");
    refused(&f, 0, "POST", "/v2/sandboxes", "{\"templateID\":\"base\",\"timeout\":259200}", 400,
            "Timeout cannot be greater than 24 hours");
    refused(&f, 0, "GET", "/sandboxes/nonexistingsandbox", NULL, 404,
            "doesn't exist or you don't have access to it");
    refused(&f, 0, "GET", "/sandboxes/aaaaaaaaaaaaaaaaaaaa", NULL, 404,
            "Sandbox \"aaaaaaaaaaaaaaaaaaaa\" doesn't exist");
    refused(&f, 0, "GET", "/sandboxes/non-existing", NULL, 404, "exist");
    refused(&f, 0, "GET", "/sandboxes/a-b-c", NULL, 400, "Invalid sandbox ID");
    refused(&f, 0, "DELETE", "/sandboxes/nonexistingsandbox", NULL, 404, "exist");
    refused(&f, 0, "PUT", "/sandboxes/nonexistingsandbox/network", "{}", 404, "exist");
    stop(&f);
}

TEST(templates)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], base_id[WR_TEMPLATE_ID_LEN + 1], alias_id[WR_TEMPLATE_ID_LEN + 1];
    char build[WR_UUID_LEN + 1], body[256];

    wr_template_id("base", base_id);
    wr_template_build_id("base", 1600000000000, build);
    wr_template_id("code-interpreter-v1", alias_id);
    const char *const good[] = {"base",
                                " BASE ",
                                "base:default",
                                "default/base",
                                base_id,
                                "code-interpreter-v1",
                                "default/Code-Interpreter-V1:default",
                                alias_id};
    for (size_t i = 0; i < WR_ARRAY_SIZE(good); i++) {
        snprintf(body, sizeof body, "{\"templateID\":\"%s\"}", good[i]);
        json_t *made = created(&f, 0, "/sandboxes", body, id);
        CHECK_STR(text_of(made, "alias"), "base");
        CHECK_STR(text_of(made, "templateID"), base_id);
        json_decref(made);
    }
    /* With the list at hand. */
    snprintf(body, sizeof body, "{\"templateID\":\"%s:%s\"}", base_id, build);
    json_decref(created(&f, 0, "/sandboxes", body, id));
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"missing\"}", 404,
            "template 'missing' not found");
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"nowhere:v2\"}", 404,
            "template 'nowhere:v2' not found");
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"base:v2\"}", 404,
            "tag 'v2' does not exist for template 'base'");
    snprintf(body, sizeof body, "{\"templateID\":\"code-interpreter-v1:%s\"}", build);
    json_decref(created(&f, 0, "/sandboxes", body, id));
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"someone/base\"}", 404,
            "template 'someone/base' not found");
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"abcdefghij0123456789\"}", 404,
            "template 'abcdefghij0123456789' not found");
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"base:\"}", 400, "templateID");
    stop(&f);
}

/* As the first request, when the server has no list yet. */
TEST(alias_of_a_template)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21];
    json_t *list = NULL;

    json_t *made = created(&f, 0, "/sandboxes", "{\"templateID\":\"code-interpreter-v1\"}", id);
    CHECK_STR(text_of(made, "alias"), "base");
    json_decref(made);
    CHECK_INT(api(&f, 0, "GET", "/v2/sandboxes?template=code-interpreter-v1", NULL, &list), 200);
    CHECK_INT(json_array_size(list), 1);
    CHECK_STR(text_of(json_array_get(list, 0), "sandboxID"), id);
    json_decref(list);
    CHECK_INT(api(&f, 0, "GET", "/v2/sandboxes?template=slow", NULL, &list), 200);
    CHECK_INT(json_array_size(list), 0);
    json_decref(list);
    stop(&f);
}

TEST(engine_failures)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    json_t *json = NULL;

    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"fail\"}", 400, "this template fails");
    CHECK_INT(api(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"restart\"}", &json), 503);
    CHECK(wr_starts_with(text_of(json, "message"), "Failed to place sandbox"));
    CHECK_STR(text_of(json, "error_code"), "sandbox_capacity_unavailable");
    json_decref(json);
    stop(&f);
}

TEST(teams_do_not_see_each_other)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[96];
    json_t *list = NULL;

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    for (int i = 0; i < 2; i++) {
        static const char *const methods[] = {"GET", "DELETE"};
        for (size_t m = 0; m < WR_ARRAY_SIZE(methods); m++) {
            snprintf(target, sizeof target, i ? "/sandboxes/%s-warren" : "/sandboxes/%s", id);
            refused(&f, 1, methods[m], target, NULL, 404, "doesn't exist");
        }
        CHECK_INT(api(&f, 0, "GET", target, NULL, NULL), 200);
    }
    snprintf(target, sizeof target, "/sandboxes/%s/timeout", id);
    refused(&f, 1, "POST", target, "{\"timeout\":9}", 404, "doesn't exist");
    snprintf(target, sizeof target, "/sandboxes/%s/connect", id);
    refused(&f, 1, "POST", target, "{\"timeout\":9}", 404, "doesn't exist");
    snprintf(target, sizeof target, "/sandboxes/%s/refreshes", id);
    refused(&f, 1, "POST", target, NULL, 404, "doesn't exist");
    snprintf(target, sizeof target, "/sandboxes/%s/network", id);
    refused(&f, 1, "PUT", target, "{}", 404, "doesn't exist");
    CHECK_INT(api(&f, 1, "GET", "/v2/sandboxes", NULL, &list), 200);
    CHECK_INT(json_array_size(list), 0);
    CHECK(answered(&f, "X-Total-Running: 0"));
    json_decref(list);
    CHECK_INT(api(&f, 1, "GET", "/sandboxes", NULL, &list), 200);
    CHECK_INT(json_array_size(list), 0);
    json_decref(list);
    /* The operator sees them all. */
    CHECK_INT(count(&f), 1);
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    refused(&f, 0, "DELETE", target, NULL, 404, "doesn't exist");
    stop(&f);
}

TEST(at_most_so_many_sandboxes)
{
    struct fixture f =
        start_with(&(struct start_opts){.api = true, .limits = {.max_sandboxes = 2}});
    char id[21], target[64];

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"base\"}", 429,
            "you have reached the maximum number of concurrent E2B sandboxes (2)");
    /* Of one team. */
    json_decref(created(&f, 1, "/sandboxes", "{\"templateID\":\"base\"}", target));
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    /* A creation that fails gives its place back. */
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 404);
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    for (int i = 0; i < 3; i++)
        refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"missing\"}", 404, "not found");
    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    stop(&f);
}

TEST(everything_about_one)
{
    struct fixture f = start_with(&(struct start_opts){.api = true, .domain = "localhost:3002"});
    char id[21], target[64];
    json_t *one = NULL;

    json_decref(created(&f, 0, "/sandboxes",
                        "{\"templateID\":\"base\",\"metadata\":{\"k\":\"v\"},"
                        "\"allow_internet_access\":false,\"network\":{\"denyOut\":[\"1.1.1.1\"]}}",
                        id));
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(&f, 0, "GET", target, NULL, &one), 200);
    static const char *const required[] = {"templateID", "sandboxID", "clientID",   "startedAt",
                                           "endAt",      "cpuCount",  "memoryMB",   "diskSizeMB",
                                           "state",      "alias",     "envdVersion"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(required); i++)
        CHECK(json_object_get(one, required[i]) &&
              !json_is_null(json_object_get(one, required[i])));
    CHECK_STR(text_of(one, "state"), "running");
    CHECK_INT(json_integer_value(json_object_get(one, "cpuCount")), 2);
    CHECK_INT(json_integer_value(json_object_get(one, "memoryMB")), 512);
    CHECK_INT(json_integer_value(json_object_get(one, "diskSizeMB")), 1024);
    CHECK_STR(text_of(one, "domain"), "localhost:3002");
    CHECK_STR(text_of(json_object_get(one, "metadata"), "k"), "v");
    CHECK(json_is_false(json_object_get(one, "allowInternetAccess")));
    CHECK_INT(json_array_size(json_object_get(json_object_get(one, "network"), "denyOut")), 1);
    const json_t *lifecycle = json_object_get(one, "lifecycle");
    CHECK(json_is_false(json_object_get(lifecycle, "autoResume")));
    CHECK_STR(text_of(lifecycle, "onTimeout"), "kill");
    CHECK(!json_object_get(one, "envdAccessToken"));
    json_decref(one);
    stop(&f);
}

TEST(trap_6_optional_members_are_absent)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const char *const optional[] = {
        "envdAccessToken", "domain", "metadata", "network", "volumeMounts", "allowInternetAccess"};
    char id[21], target[64];
    json_t *one = NULL;

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\",\"metadata\":{}}", id));
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    CHECK_INT(api(&f, 0, "GET", target, NULL, &one), 200);
    for (size_t i = 0; i < WR_ARRAY_SIZE(optional); i++)
        if (json_object_get(one, optional[i]))
            wr_test_fail(__FILE__, __LINE__, "%s is there", optional[i]);
    json_decref(one);
    stop(&f);
}

TEST(network_is_replaced)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[64], network[80];
    json_t *one = NULL;

    json_decref(created(&f, 0, "/v2/sandboxes",
                        "{\"templateID\":\"base\",\"allow_internet_access\":true,\"network\":"
                        "{\"allowPublicTraffic\":false,\"allowOut\":[\"1.1.1.1\"]}}",
                        id));
    snprintf(target, sizeof target, "/sandboxes/%s", id);
    snprintf(network, sizeof network, "/sandboxes/%s/network", id);
    CHECK_INT(api(&f, 0, "PUT", network,
                  "{\"denyOut\":[\"0.0.0.0/0\"],\"allow_internet_access\":false}", NULL),
              204);
    CHECK_INT(api(&f, 0, "GET", target, NULL, &one), 200);
    char *seen = json_dumps(json_object_get(one, "network"), JSON_COMPACT);
    CHECK_STR(seen, "{\"denyOut\":[\"0.0.0.0/0\"],\"allowPublicTraffic\":false}");
    CHECK(json_is_false(json_object_get(one, "allowInternetAccess")));
    free(seen);
    json_decref(one);

    refused(&f, 0, "PUT", network, "{\"allowOut\":[\"example.com\"]}", 400, "ALL_TRAFFIC");
    refused(&f, 0, "PUT", network, "{\"denyOut\":[\"x\"]}", 400, "invalid denied CIDR x");
    refused(&f, 0, "PUT", network, "{\"allowPublicTraffic\":true}", 400, "allowPublicTraffic");
    refused(&f, 0, "PUT", network, "[]", 400, "validation error");
    CHECK_INT(api(&f, 0, "PUT", network, "{}", NULL), 204);
    CHECK_INT(api(&f, 0, "GET", target, NULL, &one), 200);
    seen = json_dumps(json_object_get(one, "network"), JSON_COMPACT);
    CHECK_STR(seen, "{\"allowPublicTraffic\":false}");
    CHECK(!json_object_get(one, "allowInternetAccess"));
    free(seen);
    json_decref(one);
    stop(&f);
}

TEST(lenient_server)
{
    struct fixture f = start_with(&(struct start_opts){.api = true, .lenient = true});
    char id[21], target[80];

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\",\"frob\":1}", id));
    snprintf(target, sizeof target, "/sandboxes/%s/timeout", id);
    CHECK_INT(api(&f, 0, "POST", target, "{\"timeout\":5,\"frob\":1}", NULL), 204);
    stop(&f);
}
