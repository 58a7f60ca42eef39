/* /volumes and mounts of volumes, through the API. */
#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

#define UNKNOWN "00000000-0000-4000-8000-000000000000"

/* Makes one; its answer is the caller's. */
static json_t *make(struct fixture *f, int key, const char *name, char target[static 64])
{
    char body[128];
    json_t *answer = NULL;

    CHECK(wr_strformat(body, sizeof body, "{\"name\":\"%s\"}", name));
    int status = api(f, key, "POST", "/volumes", body, &answer);
    if (status != 201)
        wr_test_fail(__FILE__, __LINE__, "%d: %s", status, f->answer);
    CHECK(wr_strformat(target, 64, "/volumes/%s", text_of(answer, "volumeID")));
    return answer;
}

static size_t count_volumes(struct fixture *f, int key)
{
    json_t *list = NULL;

    CHECK_INT(api(f, key, "GET", "/volumes", NULL, &list), 200);
    size_t count = json_array_size(list);
    json_decref(list);
    return count;
}

TEST(a_volume_is_made_shown_and_removed)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char target[64];
    json_t *again = NULL, *list = NULL, *made = make(&f, 0, "my-data_1", target);

    CHECK_STR(text_of(made, "name"), "my-data_1");
    CHECK_INT(json_integer_value(json_object_get(made, "sizeBytes")), (long long)WR_GIB);
    CHECK(text_of(made, "token")[0] && !json_object_get(made, "domain"));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &again), 200);
    CHECK_STR(text_of(again, "volumeID"), text_of(made, "volumeID"));
    CHECK(text_of(again, "token")[0]);
    json_decref(again);
    CHECK_INT(api(&f, 0, "GET", "/volumes", NULL, &list), 200);
    CHECK_INT(json_array_size(list), 1);
    CHECK_STR(text_of(json_array_get(list, 0), "name"), "my-data_1");
    CHECK(!json_object_get(json_array_get(list, 0), "token"));
    json_decref(list);

    refused(&f, 0, "POST", "/volumes", "{\"name\":\"my-data_1\"}", 400,
            "Volume with name 'my-data_1' already exists");
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    refused(&f, 0, "DELETE", target, NULL, 404, "Volume not found");
    refused(&f, 0, "GET", target, NULL, 404, "Volume not found");
    CHECK_INT(count_volumes(&f, 0), 0);
    json_decref(made);
    made = make(&f, 0, "my-data_1", target);
    json_decref(made);
    stop(&f);
}

TEST(another_teams_volume_does_not_exist)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char target[64], theirs[64];

    json_decref(make(&f, 0, "data", target));
    refused(&f, 1, "GET", target, NULL, 404, "Volume not found");
    refused(&f, 1, "DELETE", target, NULL, 404, "Volume not found");
    CHECK_INT(count_volumes(&f, 1), 0);
    json_decref(make(&f, 1, "data", theirs));
    refused(&f, 1, "POST", "/sandboxes",
            "{\"templateID\":\"base\",\"volumeMounts\":[{\"name\":\"x\",\"path\":\"/x\"}]}", 400,
            "invalid mounts:\n\t- volume mount #0: volume 'x' not found");
    /* The operator sees all. */
    CHECK_INT(count_volumes(&f, -1), 2);
    CHECK_INT(api(&f, -1, "DELETE", theirs, NULL, NULL), 204);
    refused(&f, -1, "DELETE", theirs, NULL, 404, "ot found");
    stop(&f);
}

TEST(bad_requests_are_refused)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"{}", "name"},
        {"{\"name\":\"\"}", "Invalid volume name"},
        {"{\"name\":\"a b\"}", "Invalid volume name"},
        {"{\"name\":\"a/b\"}", "Invalid volume name"},
        {"{\"name\":7}", "name"},
        {"{\"name\":\"a\",\"color\":1}", "color"},
        {"{\"name\":\"a\",\"sizeBytes\":1}", "at least 8 MiB"},
        {"{\"name\":\"a\",\"sizeMB\":7}", "at least 8 MiB"},
        {"{\"name\":\"a\",\"sizeMB\":9000000000000000000}", "at most"},
        {"{\"name\":\"a\",\"sizeBytes\":20000000,\"sizeMB\":20}", "give one of them"},
        {"{\"name\":\"a\",\"sizeBytes\":-1}", "sizeBytes"},
        {"[", ""},
    };
    char body[400];

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        refused(&f, 0, "POST", "/volumes", rows[i].body, 400, rows[i].text);
    CHECK(wr_strformat(body, sizeof body, "{\"name\":\"%0129d\"}", 0));
    refused(&f, 0, "POST", "/volumes", body, 400, "Invalid volume name");
    CHECK(wr_strformat(body, sizeof body, "{\"name\":\"%0128d\",\"sizeMB\":8}", 0));
    CHECK_INT(api(&f, 0, "POST", "/volumes", body, NULL), 201);
    refused(&f, 0, "GET", "/volumes/x", NULL, 400, "Invalid volume ID");
    refused(&f, 0, "DELETE", "/volumes/x", NULL, 400, "Invalid volume ID");
    refused(&f, 0, "GET", "/volumes/" UNKNOWN, NULL, 404, "Volume not found");
    refused(&f, 0, "DELETE", "/volumes/" UNKNOWN, NULL, 404, "Volume not found");
    stop(&f);
}

TEST(a_volume_that_the_engine_cannot_make_is_not_there)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});

    refused(&f, 0, "POST", "/volumes", "{\"name\":\"a\",\"sizeMB\":9}", 507, "no room");
    /* The engine began anew: what it had made goes. */
    refused(&f, 0, "POST", "/volumes", "{\"name\":\"a\",\"sizeMB\":10}", 503, "restarted");
    for (int i = 0; api(&f, 0, "POST", "/volumes", "{\"name\":\"a\"}", NULL) == 400; i++) {
        CHECK(i < 500);
        usleep(10000);
    }
    CHECK_INT(count_volumes(&f, 0), 1);
    stop(&f);
}

TEST(a_mounted_volume_stays)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char target[64], id[21], text[64];
    json_t *one = NULL;

    json_decref(make(&f, 0, "data", target));
    json_decref(created(&f, 0, "/sandboxes",
                        "{\"templateID\":\"base\",\"volumeMounts\":[{\"name\":\"data\",\"path\":"
                        "\"/mnt/d\",\"readOnly\":true}]}",
                        id));
    CHECK(wr_strformat(text, sizeof text, "/sandboxes/%s", id));
    CHECK_INT(api(&f, 0, "GET", text, NULL, &one), 200);
    const json_t *mount = json_array_get(json_object_get(one, "volumeMounts"), 0);
    CHECK_STR(text_of(mount, "name"), "data");
    CHECK_STR(text_of(mount, "path"), "/mnt/d");
    CHECK(json_is_true(json_object_get(mount, "readOnly")));
    json_decref(one);
    refused(&f, 0, "DELETE", target, NULL, 409, id);
    refused(&f, -1, "DELETE", target, NULL, 409, id);
    CHECK_INT(count_volumes(&f, 0), 1);
    CHECK_INT(api(&f, 0, "DELETE", text, NULL, NULL), 204);
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    stop(&f);
}

/* A sandbox that nobody sees any more and that does not end: the removal waits, and is taken back.
 */
TEST(what_is_still_mounted_is_not_removed)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char target[64], id[21];

    json_decref(make(&f, 0, "data", target));
    json_decref(created(&f, 0, "/sandboxes",
                        "{\"templateID\":\"undying\",\"timeout\":1,\"volumeMounts\":["
                        "{\"name\":\"data\",\"path\":\"/mnt/d\"}]}",
                        id));
    for (int i = 0; count(&f) > 0; i++) {
        CHECK(i < 500);
        usleep(10000);
    }
    refused(&f, 0, "DELETE", target, NULL, 409, "being made or removed");
    CHECK_INT(count_volumes(&f, 0), 1);
    stop(&f);
}

TEST(a_team_has_a_number_of_volumes)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char body[64];

    for (int i = 0; i < 100; i++) {
        CHECK(wr_strformat(body, sizeof body, "{\"name\":\"v%d\"}", i));
        CHECK_INT(api(&f, 0, "POST", "/volumes", body, NULL), 201);
    }
    refused(&f, 0, "POST", "/volumes", "{\"name\":\"one-more\"}", 429, "the team has 100 volumes");
    CHECK_INT(count_volumes(&f, 0), 100);
    CHECK_INT(api(&f, 1, "POST", "/volumes", "{\"name\":\"v0\"}", NULL), 201);
    stop(&f);
}
