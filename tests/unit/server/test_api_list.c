/* GET /v2/sandboxes and GET /sandboxes. The fake engine makes sandboxes a second apart. */
#include "base/str.h"
#include "http/uri.h"
#include "server/template_ref.h"
#include "server_fixture.h"
#include "test.h"

static json_t *list(struct fixture *f, const char *query)
{
    char target[2048];
    json_t *json = NULL;
    snprintf(target, sizeof target, "/v2/sandboxes%s%s", *query ? "?" : "", query);
    if (api(f, 0, "GET", target, NULL, &json) != 200)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", target, f->answer);
    CHECK(json_is_array(json));
    return json;
}

static size_t matching(struct fixture *f, const char *query)
{
    json_t *json = list(f, query);
    size_t n = json_array_size(json);
    json_decref(json);
    return n;
}

static void make(struct fixture *f, const char *rest, char id[static 21])
{
    char body[512];
    snprintf(body, sizeof body, "{\"templateID\":\"base\",\"timeout\":600%s}", rest);
    json_decref(created(f, 0, "/sandboxes", body, id));
}

static const char *id_at(const json_t *json, size_t i)
{
    return text_of(json_array_get(json, i), "sandboxID");
}

TEST(order_and_pages)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char ids[5][21], token[128], query[256];
    size_t seen = 0;

    for (int i = 0; i < 5; i++)
        make(&f, "", ids[i]);
    for (int ascending = 0; ascending <= 1; ascending++) {
        snprintf(query, sizeof query, "limit=2&order=%s", ascending ? "asc" : "desc");
        seen = 0;
        for (int page = 0; page < 3; page++) {
            json_t *json = list(&f, query);
            CHECK(answered(&f, "X-Total-Running: 5"));
            CHECK_INT(json_array_size(json), page < 2 ? 2 : 1);
            for (size_t i = 0; i < json_array_size(json); i++, seen++)
                CHECK_STR(id_at(json, i), ids[ascending ? seen : 4 - seen]);
            json_decref(json);
            header(&f, "X-Next-Token", token);
            CHECK_INT(*token == '\0', page == 2);
            snprintf(query, sizeof query, "limit=2&order=%s&nextToken=%s",
                     ascending ? "asc" : "desc", token);
        }
        CHECK_INT(seen, 5);
    }
    stop(&f);
}

TEST(trap_9_no_token_on_an_exactly_full_last_page)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21];

    make(&f, "", id);
    make(&f, "", id);
    CHECK_INT(matching(&f, "limit=2"), 2);
    CHECK(!strstr(f.answer, "X-Next-Token"));
    CHECK_INT(matching(&f, "limit=1"), 1);
    CHECK(strstr(f.answer, "X-Next-Token: "));
    /* Counted before the page is cut, after the filters. */
    make(&f, ",\"metadata\":{\"a\":\"b\"}", id);
    CHECK_INT(matching(&f, "limit=1"), 1);
    CHECK(answered(&f, "X-Total-Running: 3"));
    CHECK_INT(matching(&f, "metadata=a%3Db"), 1);
    CHECK(answered(&f, "X-Total-Running: 1"));
    stop(&f);
}

/* As clients do it: each key and value, then the pairs, then the parameter. */
TEST(trap_8_metadata_is_encoded_three_times)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const char key[] = "a b&c=d%20", value[] = "e+f/g\xc3\xa4?";
    char id[21], body[256], once[2][128], twice[2][256], pairs[600], query[1024];
    const char *const parts[] = {key, value};

    snprintf(body, sizeof body, ",\"metadata\":{\"%s\":\"%s\",\"x\":\"y\"}", key, value);
    make(&f, body, id);
    make(&f, ",\"metadata\":{\"x\":\"y\"}", id);
    for (int i = 0; i < 2; i++) {
        CHECK(wr_uri_encode(parts[i], once[i], sizeof once[i]));
        CHECK(wr_uri_encode(once[i], twice[i], sizeof twice[i]));
    }
    snprintf(pairs, sizeof pairs, "%s=%s&x=y", twice[0], twice[1]);
    memcpy(query, "metadata=", 9);
    CHECK(wr_uri_encode(pairs, query + 9, sizeof query - 9));
    CHECK_INT(matching(&f, query), 1);
    CHECK_INT(matching(&f, "metadata=x%3Dy"), 2);
    CHECK_INT(matching(&f, "metadata=x%3Dz"), 0);
    refused(&f, 0, "GET", "/v2/sandboxes?metadata=novalue", NULL, 400, "error parsing metadata");
    refused(&f, 0, "GET", "/sandboxes?metadata=novalue", NULL, 400, "error parsing metadata");
    stop(&f);
}

TEST(started_after_is_inclusive)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char ids[3][21], own[128], query[160];

    for (int i = 0; i < 3; i++)
        make(&f, "", ids[i]);
    json_t *json = list(&f, "order=asc");
    CHECK(wr_strcopy(own, sizeof own, text_of(json_array_get(json, 1), "startedAt")));
    json_decref(json);
    snprintf(query, sizeof query, "startedAfter=%s", own);
    CHECK_INT(matching(&f, query), 2);
    /* As Python writes it. */
    own[strlen(own) - 1] = '\0';
    snprintf(query, sizeof query, "startedAfter=%s000%%2B00:00", own);
    CHECK_INT(matching(&f, query), 2);
    snprintf(query, sizeof query, "startedAfter=%s001Z", own);
    CHECK_INT(matching(&f, query), 1);
    stop(&f);
}

TEST(states_and_templates)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], template_id[WR_TEMPLATE_ID_LEN + 1], query[64];

    make(&f, "", id);
    json_decref(created(&f, 0, "/v2/sandboxes", "{\"templateID\":\"secure\"}", id));
    CHECK_INT(matching(&f, "state=running"), 2);
    CHECK_INT(matching(&f, "state=running,paused"), 2);
    CHECK_INT(matching(&f, "state=running%2Cpaused"), 2);
    CHECK_INT(matching(&f, "state=paused"), 0);
    CHECK_INT(matching(&f, "template=base"), 1);
    CHECK_INT(matching(&f, "template=default%2Fbase"), 1);
    CHECK_INT(matching(&f, "template=other%2Fbase"), 0);
    CHECK_INT(matching(&f, "template=nowhere"), 0);
    CHECK_INT(matching(&f, "template=%20/"), 0);
    wr_template_id("secure", template_id);
    snprintf(query, sizeof query, "template=%s", template_id);
    CHECK_INT(matching(&f, query), 1);
    stop(&f);
}

TEST(bad_queries)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const struct {
        const char *query, *message;
    } rows[] = {
        {"limit=0", "limit"},
        {"limit=101", "limit"},
        {"limit=x", "validation error"},
        {"state=running,", "state"},
        {"state=killed", "state"},
        {"order=up", "order"},
        {"startedAfter=yesterday", "startedAfter"},
        {"template=base:v1", "template"},
        {"nextToken=xyz", "Invalid next token"},
        {"nextToken=%25", "Invalid next token"},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char target[128];
        snprintf(target, sizeof target, "/v2/sandboxes?%s", rows[i].query);
        refused(&f, 0, "GET", target, NULL, 400, rows[i].message);
    }
    CHECK_INT(matching(&f, "limit=100&unknown=1&nextToken="), 0);
    stop(&f);
}

TEST(version_1)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char ids[2][21];
    json_t *json = NULL;

    make(&f, "", ids[0]);
    make(&f, ",\"metadata\":{\"a\":\"b\"}", ids[1]);
    CHECK_INT(api(&f, 0, "GET", "/sandboxes", NULL, &json), 200);
    CHECK_INT(json_array_size(json), 2);
    CHECK_STR(id_at(json, 0), ids[1]);
    CHECK(!json_object_get(json_array_get(json, 1), "metadata"));
    json_decref(json);
    CHECK_INT(api(&f, 0, "GET", "/sandboxes?metadata=a%3Db", NULL, &json), 200);
    CHECK_INT(json_array_size(json), 1);
    json_decref(json);
    stop(&f);
}
