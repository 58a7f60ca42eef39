/* Who may call the control API, how often, and /api-keys and /teams. */
#include <string.h>

#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

#define NO_KEY   (-2)
#define OPERATOR (-1)

static struct fixture start_api(struct wr_rate_limits limits)
{
    return start_with(&(struct start_opts){.api = true, .limits = limits});
}

static int status_with(struct fixture *f, const char *headers)
{
    return api_with(f, NO_KEY, "GET", "/teams", headers, NULL, NULL);
}

/* ---- credentials ---- */

TEST(a_key_is_needed_on_tcp_only)
{
    struct fixture f = start_api((struct wr_rate_limits){0});
    char line[128];

    CHECK_INT(api(&f, OPERATOR, "GET", "/teams", NULL, NULL), 200);
    refused(&f, NO_KEY, "GET", "/teams", NULL, 401, "authorization header is missing");
    CHECK(answered(&f, "WWW-Authenticate: Bearer realm=\"api\""));
    CHECK_INT(api(&f, 0, "GET", "/teams", NULL, NULL), 200);
    CHECK(wr_strformat(line, sizeof line, "Authorization: bearer %s\r\n", f.keys[0]));
    CHECK_INT(status_with(&f, line), 200);
    CHECK_INT(api(&f, NO_KEY, "GET", "/health", NULL, NULL), 200);
    stop(&f);
}

TEST(what_is_no_key_is_refused)
{
    static const char *const bad[] = {
        "X-API-Key: \r\n",
        "X-API-Key: e2b_\r\n",
        "X-API-Key: e2b_0\r\n",
        "X-API-Key: e2b_zz\r\n",
        "X-API-Key: e2b_00112233445566778899aabbccddeeff00112233\r\n",
        "Authorization: Bearer sk_e2b_00112233445566778899aabbccddeeff00112233\r\n",
        "Authorization: Bearer \r\n",
        "Authorization: Basic dXNlcjo=\r\n",
    };
    struct fixture f = start_api((struct wr_rate_limits){0});
    char line[256];

    for (unsigned round = 0; round < 2; round++) /* the second time from the cache */
        for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
            CHECK_INT(status_with(&f, bad[i]), 401);
            CHECK(strstr(f.answer, "Invalid API key, please visit https://e2b.dev/docs/api-key"));
        }
    /* A good key with one character more, one less, and another last one. */
    size_t len = strlen(f.keys[0]);
    CHECK(wr_strformat(line, sizeof line, "X-API-Key: %s0\r\n", f.keys[0]));
    CHECK_INT(status_with(&f, line), 401);
    CHECK(wr_strformat(line, sizeof line, "X-API-Key: %.*s\r\n", (int)len - 2, f.keys[0]));
    CHECK_INT(status_with(&f, line), 401);
    CHECK(wr_strformat(line, sizeof line, "X-API-Key: %.*s%c\r\n", (int)len - 1, f.keys[0],
                       f.keys[0][len - 1] == '0' ? '1' : '0'));
    CHECK_INT(status_with(&f, line), 401);
    stop(&f);
}

/* ---- budgets ---- */

TEST(requests_per_second)
{
    struct fixture f = start_api((struct wr_rate_limits){.requests_per_s = 2});
    unsigned refusals = 0;
    char value[128];

    for (unsigned i = 0; i < 20; i++) {
        CHECK_INT(api(&f, OPERATOR, "GET", "/teams", NULL, NULL), 200);
        int status = api(&f, 0, "GET", "/teams", NULL, NULL);
        CHECK(status == 200 || status == 429);
        if (status != 429)
            continue;
        refusals++;
        CHECK_STR(header(&f, "Retry-After", value), "1");
        CHECK_STR(header(&f, "RateLimit-Limit", value), "2");
        CHECK_STR(header(&f, "RateLimit-Remaining", value), "0");
    }
    CHECK(refusals > 0);
    /* A budget of its own. */
    CHECK_INT(api(&f, 1, "GET", "/teams", NULL, NULL), 200);
    stop(&f);
}

TEST(sandboxes_of_a_team)
{
    struct fixture f = start_api((struct wr_rate_limits){.max_sandboxes = 2});
    static const char body[] = "{\"templateID\":\"base\"}";
    char id[21], path[64], value[128];

    for (unsigned i = 0; i < 2; i++)
        json_decref(created(&f, 0, "/sandboxes", body, id));
    refused(&f, 0, "POST", "/sandboxes", body, 429, "concurrent E2B sandboxes (2)");
    CHECK_STR(header(&f, "Should-Retry", value), "false");
    /* The operator's are of the same team. */
    refused(&f, OPERATOR, "POST", "/sandboxes", body, 429, "(2)");
    json_decref(created(&f, 1, "/sandboxes", body, path));
    CHECK(wr_strformat(path, sizeof path, "/sandboxes/%s", id));
    CHECK_INT(api(&f, 0, "DELETE", path, NULL, NULL), 204);
    json_decref(created(&f, 0, "/sandboxes", body, id));
    stop(&f);
}

TEST(creations_per_second)
{
    struct fixture f = start_api((struct wr_rate_limits){.creates_per_s = 1});
    static const char body[] = "{\"templateID\":\"base\"}";
    unsigned refusals = 0;
    char value[128];

    for (unsigned i = 0; i < 10; i++) {
        int status = api(&f, 0, "POST", "/sandboxes", body, NULL);
        CHECK(status == 201 || status == 429);
        if (status == 429)
            CHECK_STR(header(&f, "Retry-After", value), "1");
        refusals += status == 429;
    }
    CHECK(refusals > 0);
    stop(&f);
}

/* ---- keys ---- */

/* The member of the first object of a list of which `key` is `value`. */
static const json_t *find(const json_t *list, const char *key, const char *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (wr_streq(text_of(json_array_get(list, i), key), value))
            return json_array_get(list, i);
    return NULL;
}

TEST(life_of_a_key)
{
    struct fixture f = start_api((struct wr_rate_limits){0});
    json_t *made = NULL, *list = NULL, *renamed = NULL;
    char path[64], line[128];

    CHECK_INT(api(&f, 0, "POST", "/api-keys", "{\"name\":\"ci\"}", &made), 201);
    const char *key = text_of(made, "key");
    const json_t *mask = json_object_get(made, "mask");
    CHECK(strlen(key) == 44 && wr_starts_with(key, "e2b_"));
    CHECK_STR(text_of(mask, "prefix"), "e2b_");
    CHECK_INT(json_integer_value(json_object_get(mask, "valueLength")), 40);
    CHECK(strncmp(text_of(mask, "maskedValuePrefix"), key + 4, 3) < 0); /* two characters of it */
    CHECK_STR(text_of(mask, "maskedValueSuffix"), key + 40);
    CHECK(json_is_null(json_object_get(made, "lastUsed")));
    CHECK(strlen(text_of(made, "createdAt")) == 24);

    CHECK(wr_strformat(line, sizeof line, "X-API-Key: %s\r\n", key));
    CHECK_INT(status_with(&f, line), 200);
    CHECK_INT(api(&f, 0, "GET", "/api-keys", NULL, &list), 200);
    CHECK(!strstr(f.answer, key) && !strstr(f.answer, key + 8) && !strstr(f.answer, "hash"));
    const json_t *listed = find(list, "id", text_of(made, "id"));
    CHECK(listed && json_is_string(json_object_get(listed, "lastUsed")));
    CHECK_INT(json_array_size(list), 2); /* with the fixture's, without the other team's */

    CHECK(wr_strformat(path, sizeof path, "/api-keys/%s", text_of(made, "id")));
    CHECK_INT(api(&f, 0, "PATCH", path, "{\"name\":\"new\"}", &renamed), 200);
    CHECK_STR(text_of(renamed, "name"), "new");
    CHECK(!json_object_get(renamed, "key"));
    refused(&f, 1, "PATCH", path, "{\"name\":\"x\"}", 404, "not found");
    refused(&f, 1, "DELETE", path, NULL, 404, "not found");
    CHECK_INT(status_with(&f, line), 200);
    CHECK_INT(api(&f, 0, "DELETE", path, NULL, NULL), 204);
    CHECK_INT(status_with(&f, line), 401); /* at once */
    refused(&f, 0, "DELETE", path, NULL, 404, "not found");
    refused(&f, 0, "DELETE", "/api-keys/x", NULL, 400, "Invalid API key ID");
    refused(&f, 0, "POST", "/api-keys", "{}", 400, "name");
    refused(&f, 0, "POST", "/api-keys", "{\"name\":\"a\",\"later\":1}", 400, "later");
    refused(&f, 0, "POST", "/api-keys", "{\"name\":\"\"}", 400, "name");
    refused(&f, 0, "POST", "/api-keys", "{\"name\":\"a\\nb\"}", 400, "control character");
    json_decref(made);
    json_decref(list);
    json_decref(renamed);
    stop(&f);
}

TEST(teams)
{
    struct fixture f = start_api((struct wr_rate_limits){0});
    json_t *all = NULL, *own = NULL, *team = NULL, *made = NULL;
    char body[128], line[128], target[96];

    CHECK_INT(api(&f, OPERATOR, "POST", "/teams", "{\"name\":\"Blue Team!\"}", &team), 201);
    CHECK_STR(text_of(team, "slug"), "blue-team");
    refused(&f, OPERATOR, "POST", "/teams", "{\"name\":\"Blue Team!\"}", 409, "Blue Team!");
    refused(&f, OPERATOR, "POST", "/teams", "{\"name\":\"!\"}", 400, "letter or digit");
    refused(&f, 0, "POST", "/teams", "{\"name\":\"mine\"}", 403, "operator");

    CHECK_INT(api(&f, OPERATOR, "GET", "/teams", NULL, &all), 200);
    CHECK_INT(json_array_size(all), 3);
    CHECK(json_is_true(json_object_get(json_array_get(all, 0), "isDefault")));
    CHECK(json_is_false(json_object_get(find(all, "name", "other"), "isDefault")));
    CHECK_INT(api(&f, 1, "GET", "/teams", NULL, &own), 200);
    CHECK_INT(json_array_size(own), 1);
    CHECK_STR(text_of(json_array_get(own, 0), "name"), "other");
    CHECK_STR(text_of(json_array_get(own, 0), "apiKey"), "");

    /* The operator gives keys to teams, a team to itself only. */
    CHECK(wr_strformat(body, sizeof body, "{\"name\":\"k\",\"teamID\":\"%s\"}",
                       text_of(team, "teamID")));
    refused(&f, 0, "POST", "/api-keys", body, 403, "don't have access");
    CHECK_INT(api(&f, OPERATOR, "POST", "/api-keys", body, &made), 201);
    CHECK(wr_strformat(line, sizeof line, "X-API-Key: %s\r\n", text_of(made, "key")));
    CHECK_INT(status_with(&f, line), 200);
    CHECK(strstr(f.answer, "Blue Team!"));
    CHECK(wr_strformat(target, sizeof target, "/api-keys?teamID=%s", text_of(team, "teamID")));
    refused(&f, 0, "GET", target, NULL, 403, "don't have access");
    json_decref(made);
    CHECK_INT(api(&f, OPERATOR, "GET", target, NULL, &made), 200);
    CHECK_INT(json_array_size(made), 1);
    refused(&f, OPERATOR, "POST", "/api-keys",
            "{\"name\":\"k\",\"teamID\":\"00000000-0000-4000-8000-000000000000\"}", 404, "team");
    json_decref(all);
    json_decref(own);
    json_decref(team);
    json_decref(made);
    stop(&f);
}
