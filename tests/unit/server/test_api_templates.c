/* The read side of /templates. The fake engine has base (with two aliases), secure and slow, the
 * last one the youngest. */
#include "base/str.h"
#include "server/store/uuid.h"
#include "server/template_ref.h"
#include "server_fixture.h"
#include "test.h"

static void check_template(const json_t *one, const char *name)
{
    static const char *const required[] = {
        "templateID", "buildID",    "cpuCount",    "memoryMB",   "diskSizeMB", "public",
        "aliases",    "names",      "createdAt",   "updatedAt",  "createdBy",  "lastSpawnedAt",
        "spawnCount", "buildCount", "envdVersion", "buildStatus"};
    char id[WR_TEMPLATE_ID_LEN + 1];
    for (size_t i = 0; i < WR_ARRAY_SIZE(required); i++)
        if (!json_object_get(one, required[i]))
            wr_test_fail(__FILE__, __LINE__, "%s is missing", required[i]);
    wr_template_id(name, id);
    CHECK_STR(text_of(one, "templateID"), id);
    CHECK(wr_uuid_valid(text_of(one, "buildID")));
    CHECK_STR(json_string_value(json_array_get(json_object_get(one, "aliases"), 0)), name);
    CHECK_STR(json_string_value(json_array_get(json_object_get(one, "names"), 0)), name);
    CHECK_STR(text_of(one, "buildStatus"), "ready");
    CHECK_INT(json_integer_value(json_object_get(one, "cpuCount")), 2);
    CHECK_INT(json_integer_value(json_object_get(one, "memoryMB")), 1024);
    CHECK_INT(json_integer_value(json_object_get(one, "diskSizeMB")), 4096);
}

TEST(lists)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const char *const targets[] = {"/templates", "/v2/templates", "/default-templates",
                                          "/templates?teamID="};
    static const char *const names[] = {"slow", "secure", "base"};
    json_t *json = NULL;

    for (size_t i = 0; i < WR_ARRAY_SIZE(targets); i++) {
        CHECK_INT(api(&f, 1, "GET", targets[i], NULL, &json), 200);
        CHECK_INT(json_array_size(json), 3);
        for (size_t k = 0; k < 3; k++)
            check_template(json_array_get(json, k), names[k]);
        json_decref(json);
    }
    refused(&f, 0, "GET", "/templates?teamID=11111111-1111-4111-8111-111111111111", NULL, 400,
            "teamID");
    stop(&f);
}

TEST(pages)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char token[128], target[256];
    json_t *json = NULL;

    CHECK_INT(api(&f, 0, "GET", "/v2/templates?limit=2", NULL, &json), 200);
    CHECK_INT(json_array_size(json), 2);
    json_decref(json);
    snprintf(target, sizeof target, "/v2/templates?limit=1&nextToken=%s",
             header(&f, "X-Next-Token", token));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &json), 200);
    CHECK_INT(json_array_size(json), 1);
    check_template(json_array_get(json, 0), "base");
    CHECK_STR(header(&f, "X-Next-Token", token), "");
    json_decref(json);
    refused(&f, 0, "GET", "/v2/templates?limit=0", NULL, 400, "limit");
    refused(&f, 0, "GET", "/v2/templates?nextToken=x", NULL, 400, "Invalid next token");
    stop(&f);
}

TEST(one)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[WR_TEMPLATE_ID_LEN + 1], target[96];
    json_t *json = NULL, *alias = NULL;

    wr_template_id("base", id);
    snprintf(target, sizeof target, "/templates/%s", id);
    CHECK_INT(api(&f, 0, "GET", target, NULL, &json), 200);
    check_template(json, "base");
    const json_t *build = json_array_get(json_object_get(json, "builds"), 0);
    CHECK_STR(text_of(build, "buildID"), text_of(json, "buildID"));
    CHECK_STR(text_of(build, "status"), "ready");
    CHECK(text_of(build, "createdAt") && text_of(build, "updatedAt"));
    CHECK_INT(json_integer_value(json_object_get(build, "cpuCount")), 2);

    CHECK_INT(api(&f, 0, "GET", "/templates/aliases/base", NULL, &alias), 200);
    CHECK_STR(text_of(alias, "templateID"), id);
    CHECK(json_is_true(json_object_get(alias, "public")));
    json_decref(alias);
    refused(&f, 0, "GET", "/templates/aliases/nowhere", NULL, 404, "template 'nowhere' not found");
    refused(&f, 0, "GET", "/templates/aliases/other%2Fbase", NULL, 404, "not found");
    refused(&f, 0, "GET", "/templates/aliases/base%3Av2", NULL, 404,
            "tag 'v2' does not exist for template 'base'");
    refused(&f, 0, "GET", "/templates/nowhere", NULL, 404, "not found");
    refused(&f, 0, "GET", "/templates/a%20b", NULL, 400, "template reference");
    json_decref(json);
    stop(&f);
}

TEST(aliases)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const char *const keys[] = {"aliases", "names"};
    static const char *const names[] = {"base", "code-interpreter-v1", "b"};
    char base[WR_TEMPLATE_ID_LEN + 1], id[WR_TEMPLATE_ID_LEN + 1], target[64];
    json_t *json = NULL;

    wr_template_id("base", base);
    wr_template_id("code-interpreter-v1", id);
    for (int i = 0; i < 2; i++) {
        snprintf(target, sizeof target, "/templates/aliases/%s", i ? id : "code-interpreter-v1");
        CHECK_INT(api(&f, 0, "GET", target, NULL, &json), 200);
        CHECK_STR(text_of(json, "templateID"), base);
        json_decref(json);
    }
    CHECK_INT(api(&f, 0, "GET", "/templates/b", NULL, &json), 200);
    check_template(json, "base");
    for (size_t k = 0; k < WR_ARRAY_SIZE(keys); k++) {
        const json_t *list = json_object_get(json, keys[k]);
        CHECK_INT(json_array_size(list), WR_ARRAY_SIZE(names));
        for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
            CHECK_STR(json_string_value(json_array_get(list, i)), names[i]);
    }
    json_decref(json);
    CHECK_INT(api(&f, 0, "GET", "/templates/slow", NULL, &json), 200);
    CHECK_INT(json_array_size(json_object_get(json, "aliases")), 1);
    json_decref(json);
    stop(&f);
}

TEST(tags)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    json_t *json = NULL;

    CHECK_INT(api(&f, 0, "GET", "/templates/base/tags", NULL, &json), 200);
    CHECK_INT(json_array_size(json), 1);
    CHECK_STR(text_of(json_array_get(json, 0), "tag"), "default");
    CHECK(wr_uuid_valid(text_of(json_array_get(json, 0), "buildID")));
    CHECK(text_of(json_array_get(json, 0), "createdAt"));
    json_decref(json);
    CHECK_INT(api(&f, 0, "GET", "/templates/base/tags/count", NULL, &json), 200);
    CHECK_INT(json_integer_value(json_object_get(json, "total")), 1);
    json_decref(json);
    CHECK_INT(api(&f, 0, "GET", "/templates/base/tags/exists?tag=v1", NULL, &json), 200);
    CHECK(json_is_false(json_object_get(json, "exists")));
    CHECK_STR(text_of(json, "normalizedTag"), "v1");
    json_decref(json);
    refused(&f, 0, "GET", "/templates/nowhere/tags", NULL, 404, "not found");
    stop(&f);
}
