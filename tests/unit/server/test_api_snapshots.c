/* Snapshots over the API: names and tags, sandboxes from them, lists, the tree, removal. */
#include <sqlite3.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

#define FILES "{\"memory\":false}"

/* A path below a sandbox's. */
static const char *at(const char *id, const char *rest)
{
    static char target[128];

    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s%s", id, rest));
    return target;
}

static void make(struct fixture *f, const char *template, char id[static 21])
{
    char body[128];

    CHECK(wr_strformat(body, sizeof body, "{\"templateID\":\"%s\",\"timeout\":60}", template));
    json_decref(created(f, 0, "/sandboxes", body, id));
}

/* Takes one without memory; its public ID. */
static void take(struct fixture *f, const char *sandbox, const char *name, char ref[static 400])
{
    char body[200];
    json_t *json = NULL;

    CHECK(name ? wr_strformat(body, sizeof body, "{\"name\":\"%s\",\"memory\":false}", name)
               : wr_strcopy(body, sizeof body, FILES));
    if (api(f, 0, "POST", at(sandbox, "/snapshots"), body, &json) != 201)
        wr_test_fail(__FILE__, __LINE__, "%s", f->answer);
    CHECK(wr_strcopy(ref, 400, text_of(json, "snapshotID")));
    json_decref(json);
}

static void create_from(struct fixture *f, const char *ref, char id[static 21])
{
    char body[500];

    CHECK(wr_strformat(body, sizeof body, "{\"templateID\":\"%s\",\"timeout\":60}", ref));
    json_decref(created(f, 0, "/sandboxes", body, id));
}

/* As clients write it in a path. */
static const char *encoded(const char *prefix, const char *ref, const char *rest)
{
    static char out[600];
    size_t n = 0;

    CHECK(wr_strcopy(out, sizeof out, prefix));
    n = strlen(out);
    for (const char *p = ref; *p && n + 4 < sizeof out; p++) {
        bool plain = *p != '/' && *p != ':';
        CHECK(wr_strformat(out + n, sizeof out - n, plain ? "%c" : "%%%02X", (unsigned char)*p));
        n += plain ? 1 : 3;
    }
    CHECK(wr_strcopy(out + n, sizeof out - n, rest));
    return out;
}

static size_t listed(struct fixture *f, const char *query, json_t **ret)
{
    char target[600];
    json_t *list = NULL;

    CHECK(wr_strformat(target, sizeof target, "/snapshots%s", query));
    if (api(f, 0, "GET", target, NULL, &list) != 200)
        wr_test_fail(__FILE__, __LINE__, "%s", f->answer);
    size_t count = json_array_size(list);
    if (ret)
        *ret = list;
    else
        json_decref(list);
    return count;
}

TEST(a_snapshot_without_a_name)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], copy[21], ref[400], template_id[21];
    json_t *json = NULL;

    make(&f, "base", id);
    CHECK_INT(api(&f, 0, "POST", at(id, "/snapshots"), FILES, &json), 201);
    CHECK_INT(json_array_size(json_object_get(json, "names")), 0);
    CHECK_INT(json_integer_value(json_object_get(json, "frozenUs")), 1234);
    CHECK(wr_strcopy(ref, sizeof ref, text_of(json, "snapshotID")));
    CHECK(strlen(ref) == 28 && wr_streq(ref + 20, ":default"));
    json_decref(json);
    CHECK(wr_strformat(template_id, sizeof template_id, "%.20s", ref));

    create_from(&f, ref, copy);
    CHECK(!wr_streq(copy, id));
    CHECK_INT(api(&f, 0, "GET", at(copy, ""), NULL, &json), 200);
    CHECK_STR(text_of(json, "templateID"), template_id);
    CHECK(!json_object_get(json, "alias"));
    json_decref(json);
    create_from(&f, template_id, copy);

    CHECK_INT(listed(&f, "", &json), 1);
    const json_t *one = json_array_get(json, 0);
    CHECK_STR(text_of(one, "snapshotID"), ref);
    CHECK_STR(text_of(one, "sandboxID"), id);
    CHECK_STR(text_of(one, "template"), "base");
    CHECK_INT(json_integer_value(json_object_get(one, "bytes")), 4711);
    CHECK(json_is_false(json_object_get(one, "memory")));
    CHECK(!json_object_get(one, "frozenUs"));
    CHECK(!json_object_get(one, "parentSnapshotID"));
    json_decref(json);

    CHECK_INT(api(&f, 1, "DELETE", encoded("/templates/", ref, ""), NULL, NULL), 404);
    CHECK_INT(api(&f, 0, "DELETE", encoded("/templates/", ref, ""), NULL, NULL), 204);
    CHECK_INT(api(&f, 0, "DELETE", encoded("/templates/", ref, ""), NULL, NULL), 404);
    CHECK_INT(listed(&f, "", NULL), 0);
    CHECK_INT(api(&f, 0, "GET", at(copy, ""), NULL, NULL), 200);
    char body[200];
    CHECK(wr_strformat(body, sizeof body, "{\"templateID\":\"%s\"}", ref));
    refused(&f, 0, "POST", "/sandboxes", body, 404, "not found");
    stop(&f);
}

TEST(names_and_tags)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], copy[21], first[400], again[400], tagged[400], text[600];
    json_t *json = NULL;

    make(&f, "base", id);
    take(&f, id, "Work", first);
    CHECK(wr_ends_with(first, "/work:default"));
    take(&f, id, "work", again);
    CHECK_STR(again, first);
    take(&f, id, "work:v2", tagged);
    CHECK(wr_ends_with(tagged, "/work:v2"));
    CHECK_INT(listed(&f, "", NULL), 2);
    CHECK_INT(listed(&f, "?name=work", &json), 1);
    CHECK_STR(text_of(json_array_get(json, 0), "snapshotID"), tagged);
    CHECK_STR(text_of(json_array_get(json, 0), "parentSnapshotID"), first);
    CHECK(wr_strcopy(
        text, sizeof text,
        json_string_value(json_array_get(json_object_get(json_array_get(json, 0), "names"), 0))));
    CHECK(wr_ends_with(text, "/work"));
    json_decref(json);
    CHECK_INT(listed(&f, "?name=work:default", NULL), 1);
    CHECK_INT(listed(&f, "?name=work:none", NULL), 0);
    CHECK_INT(listed(&f, "?name=other/work", NULL), 0);
    CHECK_INT(listed(&f, "?name=%20no%20name!", NULL), 0);

    create_from(&f, "work", copy);
    CHECK_INT(api(&f, 0, "GET", at(copy, ""), NULL, &json), 200);
    CHECK_STR(text_of(json, "alias"), "work");
    json_decref(json);
    CHECK_INT(api(&f, 0, "GET", "/v2/sandboxes?template=work", NULL, &json), 200);
    CHECK_INT(json_array_size(json), 1);
    json_decref(json);
    create_from(&f, tagged, copy);
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"work:v3\"}", 404,
            "tag 'v3' does not exist");
    refused(&f, 1, "POST", "/sandboxes", "{\"templateID\":\"work:v2\"}", 404, "not");

    refused(&f, 0, "POST", at(id, "/snapshots"), "{\"name\":\"No Such: Name!\"}", 400,
            "Invalid snapshot name");
    refused(&f, 0, "POST", at(id, "/snapshots"), "{\"name\":\"\"}", 400, "Invalid snapshot name");
    refused(&f, 0, "POST", at(id, "/snapshots"), "{\"name\":\"elsewhere/work\"}", 400,
            "namespace 'elsewhere' must match");
    refused(&f, 0, "POST", at(id, "/snapshots"),
            "{\"name\":\"work:00000000-0000-4000-8000-000000000000\"}", 400, "build");
    refused(&f, 0, "POST", at(id, "/snapshots"), "{\"color\":1}", 400, "color");
    refused(&f, 1, "POST", at(id, "/snapshots"), "{}", 404, "doesn't exist");
    refused(&f, 0, "POST", at("nonexistingsandbox00", "/snapshots"), "{}", 404, "doesn't exist");

    CHECK_INT(api(&f, 0, "DELETE", encoded("/templates/", first, ""), NULL, NULL), 204);
    CHECK_INT(listed(&f, "?name=work:v2", NULL), 1);
    CHECK_INT(api(&f, 0, "DELETE", "/templates/work", NULL, NULL), 204);
    CHECK_INT(listed(&f, "", NULL), 0);
    refused(&f, 0, "DELETE", "/templates/base", NULL, 501, "not available");
    stop(&f);
}

TEST(pages)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], other[21], ref[400], token[128], query[200];
    json_t *json = NULL;
    size_t seen = 0;

    make(&f, "base", id);
    make(&f, "base", other);
    for (int i = 0; i < 5; i++)
        take(&f, id, NULL, ref);
    take(&f, other, NULL, ref);
    CHECK_INT(listed(&f, "?limit=6", NULL), 6);
    CHECK(!*header(&f, "X-Next-Token", token));
    CHECK(wr_strformat(query, sizeof query, "?limit=2&sandboxID=%s", id));
    for (int i = 0; i < 3; i++) {
        size_t count = listed(&f, query, &json);
        CHECK_INT(count, i < 2 ? 2 : 1);
        seen += count;
        json_decref(json);
        header(&f, "X-Next-Token", token);
        CHECK(!*token == (i == 2));
        CHECK(wr_strformat(query, sizeof query, "?limit=2&sandboxID=%s&nextToken=%s", id, token));
    }
    CHECK_INT(seen, 5);
    refused(&f, 0, "GET", "/snapshots?limit=0", NULL, 400, "limit");
    refused(&f, 0, "GET", "/snapshots?nextToken=x", NULL, 400, "Invalid next token");
    CHECK_INT(listed(&f, "?sandboxID=nobody", NULL), 0);
    stop(&f);
}

static const json_t *node(const json_t *tree, const char *id)
{
    const json_t *nodes = json_object_get(tree, "nodes"), *item;
    size_t i;

    json_array_foreach(nodes, i, item)
        if (wr_streq(text_of(item, "id"), id))
            return item;
    return NULL;
}

TEST(a_tree_knows_who_comes_from_where)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], copy[21], first[400], second[400], body[500];
    json_t *tree = NULL;

    make(&f, "base", id);
    CHECK(wr_strformat(body, sizeof body, "/snapshots/%s/tree", id));
    CHECK_INT(api(&f, 0, "GET", body, NULL, &tree), 200);
    CHECK_INT(json_array_size(json_object_get(tree, "nodes")), 1);
    CHECK_STR(text_of(node(tree, id), "state"), "running");
    json_decref(tree);
    take(&f, id, "one", first);
    take(&f, id, NULL, second);
    create_from(&f, first, copy);

    CHECK_INT(api(&f, 0, "GET", encoded("/snapshots/", second, "/tree"), NULL, &tree), 200);
    CHECK_INT(json_array_size(json_object_get(tree, "nodes")), 4);
    CHECK_STR(text_of(node(tree, second), "parent"), first);
    CHECK(!json_object_get(node(tree, first), "parent"));
    CHECK_STR(text_of(node(tree, id), "parent"), second);
    CHECK_STR(text_of(node(tree, copy), "parent"), first);
    CHECK_STR(text_of(node(tree, copy), "kind"), "sandbox");
    json_decref(tree);

    /* The parent goes, and what came from it comes from nothing; the sandbox stays. */
    CHECK_INT(api(&f, 0, "DELETE", encoded("/templates/", first, ""), NULL, NULL), 204);
    CHECK_INT(api(&f, 0, "GET", encoded("/snapshots/", second, "/tree"), NULL, &tree), 200);
    CHECK_INT(json_array_size(json_object_get(tree, "nodes")), 2);
    json_decref(tree);
    CHECK_INT(api(&f, 0, "DELETE", at(id, ""), NULL, NULL), 204);
    CHECK(wr_strformat(body, sizeof body, "/snapshots/%s/tree", id));
    CHECK_INT(api(&f, 0, "GET", body, NULL, &tree), 200);
    CHECK_INT(json_array_size(json_object_get(tree, "nodes")), 1);
    json_decref(tree);
    CHECK_INT(api(&f, 1, "GET", body, NULL, NULL), 404);
    refused(&f, 0, "GET", "/snapshots/nothing/tree", NULL, 404, "no sandbox or snapshot");
    stop(&f);
}

TEST(what_the_engine_cannot_do)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], ref[400];

    make(&f, "full", id);
    refused(&f, 0, "POST", at(id, "/snapshots"), "{}", 507, "no room");
    refused(&f, 0, "POST", at(id, "/fork"), "{}", 507, "no room");
    /* It took the snapshot and was gone before it could say so: nobody ever hears of it. */
    make(&f, "frail", id);
    refused(&f, 0, "POST", at(id, "/snapshots"), "{\"name\":\"lost\"}", 503, "restarted");
    CHECK_INT(listed(&f, "", NULL), 0);
    make(&f, "base", id);
    take(&f, id, "lost", ref);
    CHECK_INT(listed(&f, "", NULL), 1);
    stop(&f);
}

/* Over a connection of the test's own; the number of a query's first row, or 0. */
static long long in_store(const struct fixture *f, const char *sql)
{
    char path[128];
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;

    CHECK(wr_strformat(path, sizeof path, "%s/warren.db", f->dir));
    CHECK(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK);
    CHECK(sqlite3_busy_timeout(db, 5000) == SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        wr_test_fail(__FILE__, __LINE__, "%s", sqlite3_errmsg(db));
    int rc = sqlite3_step(stmt);
    CHECK(rc == SQLITE_ROW || rc == SQLITE_DONE);
    long long number = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    CHECK(sqlite3_finalize(stmt) == SQLITE_OK && sqlite3_close(db) == SQLITE_OK);
    return number;
}

/* What an earlier server left behind; an engine that begins anew makes the server look. */
TEST(half_made_and_lost_ones_go)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], ref[400], kept[400];
    static const char *const changes[] = {
        "UPDATE snapshots SET state = 0 WHERE name = 'making'",
        "UPDATE snapshots SET state = 2 WHERE name = 'removing'",
        /* Its data has another id: that is nobody's, and this row has none. */
        "UPDATE snapshots SET id = 'zzzzzzzzzzzzzzzzzzzz' WHERE name = 'lost'",
    };

    make(&f, "base", id);
    take(&f, id, "making", ref);
    take(&f, id, "removing", ref);
    take(&f, id, "lost", ref);
    take(&f, id, "kept", kept);
    for (size_t i = 0; i < WR_ARRAY_SIZE(changes); i++)
        (void)in_store(&f, changes[i]);
    refused(&f, 0, "POST", "/sandboxes", "{\"templateID\":\"restart\"}", 503, "restarted");
    for (int i = 0; in_store(&f, "SELECT count(*) FROM snapshots") > 1; i++) {
        CHECK(i < 500);
        usleep(10000);
    }
    CHECK_INT(listed(&f, "", NULL), 1);
    create_from(&f, kept, id);
    stop(&f);
}

TEST(the_operator_sees_those_of_all_teams)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[400], tree[400];
    static const char *const bodies[] = {"{}", "{\"name\":\"theirs\"}"};

    json_decref(created(&f, 1, "/sandboxes", "{\"templateID\":\"base\"}", id));
    for (size_t i = 0; i < WR_ARRAY_SIZE(bodies); i++) {
        json_t *json = NULL;
        CHECK_INT(api(&f, 1, "POST", at(id, "/snapshots"), bodies[i], &json), 201);
        const char *ref = text_of(json, "snapshotID");
        CHECK(wr_strcopy(target, sizeof target, encoded("/templates/", ref, "")));
        CHECK(wr_strcopy(tree, sizeof tree, encoded("/snapshots/", ref, "/tree")));
        json_decref(json);
        /* Another team's key does not. */
        CHECK_INT(api(&f, 0, "GET", tree, NULL, NULL), 404);
        CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 404);
        CHECK_INT(api(&f, -1, "GET", tree, NULL, NULL), 200);
        CHECK_INT(api(&f, -1, "DELETE", target, NULL, NULL), 204);
        CHECK_INT(api(&f, -1, "DELETE", target, NULL, NULL), 404);
        CHECK_INT(api(&f, -1, "GET", tree, NULL, NULL), 404);
    }
    CHECK_INT(api(&f, -1, "DELETE", "/templates/nobody%2Fhas", NULL, NULL), 404);
    stop(&f);
}

TEST(a_team_has_a_number_of_snapshots)
{
    struct fixture f = start_with(&(struct start_opts){.api = true, .max_snapshots = 2});
    char id[21], ref[400];

    make(&f, "base", id);
    take(&f, id, NULL, ref);
    take(&f, id, "named", ref);
    refused(&f, 0, "POST", at(id, "/snapshots"), FILES, 429, "the team has 2 snapshots");
    CHECK_INT(api(&f, 0, "DELETE", "/templates/named", NULL, NULL), 204);
    take(&f, id, "named", ref);
    stop(&f);
}

TEST(one_snapshot_at_a_time)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], ref[400], request[400], answer[8192];

    make(&f, "lasting", id);
    take(&f, id, "before", ref);
    CHECK(wr_strformat(request, sizeof request,
                       "POST /sandboxes/%s/snapshots HTTP/1.1\r\nHost: x\r\n"
                       "Content-Length: 0\r\nConnection: close\r\n\r\n",
                       id));
    int fd = connect_raw(&f);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    usleep(200000); /* of the second that it takes */
    refused(&f, 0, "POST", at(id, "/snapshots"), "{}", 409, "being written to a snapshot");
    refused(&f, 0, "POST", at(id, "/fork"), "{}", 409, "being written to a snapshot");
    refused(&f, 0, "POST", at(id, "/rollback"), "{\"snapshotID\":\"before\"}", 409,
            "being written to a snapshot");
    ssize_t n = read(fd, answer, sizeof answer - 1);
    CHECK(n > 0);
    answer[n] = '\0';
    CHECK(strstr(answer, " 201 "));
    close(fd);
    CHECK_INT(listed(&f, "", NULL), 2);
    stop(&f);
}

TEST(a_sandbox_has_what_the_snapshot_had)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], copy[21], ref[400], body[600];
    json_t *json = NULL;

    CHECK_INT(api(&f, 0, "POST", "/volumes", "{\"name\":\"data\"}", &json), 201);
    char volume[64];
    CHECK(wr_strcopy(volume, sizeof volume, text_of(json, "volumeID")));
    json_decref(json);
    json_decref(created(&f, 0, "/sandboxes",
                        "{\"templateID\":\"base\",\"secure\":true,\"network\":{"
                        "\"allowPublicTraffic\":false},\"volumeMounts\":[{\"name\":\"data\","
                        "\"path\":\"/mnt/d\"}]}",
                        id));
    take(&f, id, NULL, ref);
    CHECK(wr_strformat(body, sizeof body, "{\"templateID\":\"%s\"}", ref));
    json = created(&f, 0, "/sandboxes", body, copy);
    CHECK(json_object_get(json, "envdAccessToken") && json_object_get(json, "trafficAccessToken"));
    json_decref(json);
    CHECK_INT(api(&f, 0, "GET", at(copy, ""), NULL, &json), 200);
    const json_t *mount = json_array_get(json_object_get(json, "volumeMounts"), 0);
    CHECK_STR(text_of(mount, "path"), "/mnt/d");
    CHECK(json_is_false(json_object_get(json_object_get(json, "network"), "allowPublicTraffic")));
    json_decref(json);
    CHECK(wr_strformat(body, sizeof body,
                       "{\"templateID\":\"%s\",\"volumeMounts\":[{\"name\":\"data\",\"path\":"
                       "\"/mnt/d\"}],\"network\":{\"allowPublicTraffic\":true}}",
                       ref));
    json = created(&f, 0, "/sandboxes", body, copy);
    CHECK(!json_object_get(json, "trafficAccessToken"));
    json_decref(json);
    CHECK(wr_strformat(body, sizeof body,
                       "{\"templateID\":\"%s\",\"volumeMounts\":[{\"name\":\"data\",\"path\":"
                       "\"/mnt/e\"}]}",
                       ref));
    refused(&f, 0, "POST", "/sandboxes", body, 400, "the volumes of the snapshot");

    stop(&f);
}

TEST(a_rollback_without_room_is_refused)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], ref[400];

    make(&f, "crowded", id);
    take(&f, id, "before", ref);
    refused(&f, 0, "POST", at(id, "/rollback"), "{\"snapshotID\":\"before\"}", 507,
            "the volume is full");
    CHECK_INT(listed(&f, "", NULL), 1);
    stop(&f);
}

TEST(a_rollback_needs_a_snapshot_of_the_same_template)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], other[21], ref[400], foreign[400], body[500];
    json_t *json = NULL;

    make(&f, "base", id);
    make(&f, "slow", other);
    take(&f, id, "before", ref);
    take(&f, id, "after", foreign);
    take(&f, other, NULL, foreign);
    CHECK(wr_strformat(body, sizeof body, "{\"snapshotID\":\"%s\"}", foreign));
    refused(&f, 0, "POST", at(id, "/rollback"), body, 400, "the snapshot is of template 'slow'");
    refused(&f, 0, "POST", at(id, "/rollback"), "{\"snapshotID\":\"none\"}", 404, "not found");
    refused(&f, 0, "POST", at(id, "/rollback"), "{}", 400, "snapshotID");
    refused(&f, 0, "POST", at(id, "/rollback"), "{\"snapshotID\":\"before\",\"timeout\":0}", 400,
            "Timeout");
    CHECK_INT(api(&f, 0, "POST", at(id, "/rollback"), "{\"snapshotID\":\"before\",\"timeout\":60}",
                  &json),
              200);
    CHECK_STR(text_of(json, "sandboxID"), id);
    json_decref(json);
    CHECK(wr_strformat(body, sizeof body, "/snapshots/%s/tree", id));
    CHECK_INT(api(&f, 0, "GET", body, NULL, &json), 200);
    CHECK_STR(text_of(node(json, id), "parent"), ref);
    json_decref(json);
    stop(&f);
}
