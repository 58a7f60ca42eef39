#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

#define VALUE "a-value-that-is-never-shown"

static const char create_body[] =
    "{\"name\":\"API_Token\",\"value\":\"" VALUE "\",\"metadata\":{\"owner\":\"me\"}}";

/* Nothing that is said about secrets may be kept by whoever is in between. */
static int ask(struct fixture *f, int key, const char *method, const char *target, const char *body,
               json_t **ret)
{
    int status = api(f, key, method, target, body, ret);

    CHECK(answered(f, "Cache-Control: no-store"));
    CHECK(!strstr(f->answer, VALUE));
    return status;
}

static void is_refused(struct fixture *f, int key, const char *method, const char *target,
                       const char *body, int status, const char *text)
{
    refused(f, key, method, target, body, status, text);
    CHECK(answered(f, "Cache-Control: no-store"));
    CHECK(!strstr(f->answer, VALUE));
}

TEST(a_life)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    json_t *secret = NULL;
    char target[64];

    CHECK_INT(ask(&f, 0, "POST", "/secrets", create_body, &secret), 201);
    CHECK_STR(text_of(secret, "name"), "api_token");
    CHECK(wr_starts_with(text_of(secret, "secretID"), "sec_"));
    CHECK_INT(json_integer_value(json_object_get(secret, "currentVersion")), 1);
    CHECK_STR(text_of(json_object_get(secret, "metadata"), "owner"), "me");
    CHECK_STR(text_of(secret, "createdAt"), text_of(secret, "updatedAt"));
    CHECK_INT(json_object_size(secret), 6);
    CHECK(wr_strformat(target, sizeof target, "/secrets/%s", text_of(secret, "secretID")));
    json_decref(secret);

    CHECK_INT(ask(&f, 0, "POST", target, "{\"value\":\"" VALUE "2\"}", &secret), 200);
    CHECK_INT(json_integer_value(json_object_get(secret, "currentVersion")), 2);
    CHECK_STR(text_of(json_object_get(secret, "metadata"), "owner"), "me");
    json_decref(secret);
    CHECK_INT(
        ask(&f, 0, "POST", "/secrets/Api_Token", "{\"value\":\"x\",\"metadata\":{}}", &secret),
        200);
    CHECK_INT(json_integer_value(json_object_get(secret, "currentVersion")), 3);
    CHECK_INT(json_object_size(json_object_get(secret, "metadata")), 0);
    json_decref(secret);

    CHECK_INT(ask(&f, 0, "GET", target, NULL, &secret), 200);
    CHECK_STR(text_of(secret, "name"), "api_token");
    json_decref(secret);
    CHECK_INT(ask(&f, 0, "DELETE", "/secrets/api_token", NULL, NULL), 204);
    is_refused(&f, 0, "GET", target, NULL, 404, "Secret not found");
    is_refused(&f, 0, "DELETE", target, NULL, 404, "Secret not found");
    is_refused(&f, 0, "POST", target, "{\"value\":\"x\"}", 404, "Secret not found");
    stop(&f);
}

TEST(what_is_not_valid)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"{\"value\":\"x\"}", "name"},
        {"{\"name\":\"a\"}", "value"},
        {"{\"name\":\"a\",\"value\":\"\"}", "value: is empty"},
        {"{\"name\":\"a\",\"value\":1}", "value"},
        {"{\"name\":\"\",\"value\":\"x\"}", "name"},
        {"{\"name\":\"a b\",\"value\":\"x\"}", "name"},
        {"{\"name\":\"SEC_a\",\"value\":\"x\"}", "must not begin with sec_"},
        {"{\"name\":\"a\",\"value\":\"x\",\"metadata\":{\"a\":1}}", "metadata.a"},
        {"{\"name\":\"a\",\"value\":\"x\",\"metadata\":{\"\":\"b\"}}", "metadata"},
        {"{\"name\":\"a\",\"value\":\"x\",\"other\":1}", "other"},
        {"[]", "Invalid secrets request"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        is_refused(&f, 0, "POST", "/secrets", rows[i].body, 400, rows[i].text);
        CHECK(strstr(f.answer, "Invalid secrets request"));
    }
    CHECK_INT(ask(&f, 0, "POST", "/secrets", create_body, NULL), 201);
    is_refused(&f, 0, "POST", "/secrets", create_body, 409,
               "Secret cannot be modified in its current state");
    is_refused(&f, 0, "POST", "/secrets/api_token", "{\"name\":\"b\",\"value\":\"x\"}", 400,
               "name");
    is_refused(&f, 0, "GET", "/secrets/a%20b", NULL, 400, "name");
    is_refused(&f, -2, "GET", "/secrets", NULL, 401, "authorization");
    stop(&f);
}

/* A body with one string of `len` bytes between two texts. */
static const char *filled(const char *before, size_t len, const char *after)
{
    static char text[20000];
    size_t at = strlen(before);

    CHECK(at + len + strlen(after) < sizeof text);
    memcpy(text, before, at);
    memset(text + at, 'v', len);
    memcpy(text + at + len, after, strlen(after) + 1);
    return text;
}

TEST(limits)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});

    CHECK_INT(
        ask(&f, 0, "POST", "/secrets", filled("{\"name\":\"a\",\"value\":\"", 8192, "\"}"), NULL),
        201);
    is_refused(&f, 0, "POST", "/secrets", filled("{\"name\":\"b\",\"value\":\"", 8193, "\"}"), 400,
               "value");
    CHECK_INT(
        ask(&f, 0, "POST", "/secrets", filled("{\"value\":\"x\",\"name\":\"", 128, "\"}"), NULL),
        201);
    is_refused(&f, 0, "POST", "/secrets", filled("{\"value\":\"x\",\"name\":\"", 129, "\"}"), 400,
               "name");
    CHECK_INT(ask(&f, 0, "POST", "/secrets",
                  filled("{\"value\":\"x\",\"name\":\"m\",\"metadata\":{\"k\":\"", 1024, "\"}}"),
                  NULL),
              201);
    is_refused(&f, 0, "POST", "/secrets",
               filled("{\"value\":\"x\",\"name\":\"n\",\"metadata\":{\"k\":\"", 1025, "\"}}"), 400,
               "metadata.k");
    stop(&f);
}

TEST(teams_have_their_own)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    json_t *list = NULL;

    CHECK_INT(ask(&f, 0, "POST", "/secrets", create_body, NULL), 201);
    is_refused(&f, 1, "GET", "/secrets/api_token", NULL, 404, "Secret not found");
    is_refused(&f, 1, "DELETE", "/secrets/api_token", NULL, 404, "Secret not found");
    CHECK_INT(ask(&f, 1, "POST", "/secrets", create_body, NULL), 201);
    CHECK_INT(ask(&f, 1, "GET", "/secrets", NULL, &list), 200);
    CHECK_INT(json_array_size(list), 1);
    json_decref(list);
    is_refused(&f, 1, "GET", "/secrets?teamID=00000000-0000-4000-8000-000000000000", NULL, 403,
               "not available for this team");
    stop(&f);
}

TEST(pages)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char body[64], target[200], token[128] = "";
    unsigned pages = 0, found = 0;

    for (unsigned i = 0; i < 5; i++) {
        CHECK(wr_strformat(body, sizeof body, "{\"name\":\"n%u\",\"value\":\"x\"}", i));
        CHECK_INT(ask(&f, 0, "POST", "/secrets", body, NULL), 201);
    }
    do {
        json_t *list = NULL;
        CHECK(wr_strformat(target, sizeof target, "/secrets?limit=2%s%s",
                           *token ? "&nextToken=" : "", token));
        CHECK_INT(ask(&f, 0, "GET", target, NULL, &list), 200);
        found += (unsigned)json_array_size(list);
        json_decref(list);
        (void)header(&f, "X-Next-Token", token);
        pages++;
    } while (*token && pages < 10);
    CHECK_INT(pages, 3);
    CHECK_INT(found, 5);
    is_refused(&f, 0, "GET", "/secrets?limit=0", NULL, 400, "limit");
    is_refused(&f, 0, "GET", "/secrets?limit=101", NULL, 400, "limit");
    stop(&f);
}
