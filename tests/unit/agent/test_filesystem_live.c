/* filesystem.Filesystem against a running agent: Stat, ListDir, MakeDir, Move, Remove. */
#include "live.h"
#include "test.h"

#define SERVICE "/filesystem.Filesystem/"

/* One call; the answer must have this status. Its "entry", or the answer itself when it has none.
 */
static json_t *call(struct live *live, const char *method, json_t *request, int status)
{
    char path[64];
    int got = 0;

    snprintf(path, sizeof(path), SERVICE "%s", method);
    json_t *answer = live_rpc(live, path, request, &got);
    if (got != status)
        wr_test_fail(__FILE__, __LINE__, "%s: %d, not %d: %s", method, got, status,
                     json_dumps(answer, 0));
    json_t *entry = json_object_get(answer, "entry");
    if (!entry)
        return answer;
    json_incref(entry);
    json_decref(answer);
    return entry;
}

static json_t *path_of(const char *path)
{
    return json_pack("{s:s}", "path", path);
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

static void expect_error(struct live *live, const char *method, json_t *request, const char *code,
                         const char *part)
{
    char path[64];
    int status = 0;

    snprintf(path, sizeof(path), SERVICE "%s", method);
    json_t *answer = live_rpc(live, path, request, &status);
    CHECK_STR(text(answer, "code"), code);
    if (!strstr(text(answer, "message"), part))
        wr_test_fail(__FILE__, __LINE__, "'%s' does not say '%s'", text(answer, "message"), part);
    json_decref(answer);
}

/* The names of a listing, in order, with their paths below `root` where they differ. */
static void expect_list(struct live *live, json_t *request, const char *const *paths)
{
    json_t *answer = call(live, "ListDir", request, 200);
    const json_t *entries = json_object_get(answer, "entries");
    size_t i = 0;

    for (; paths[i]; i++)
        CHECK_STR(text(json_array_get(entries, i), "path"), paths[i]);
    CHECK_INT(json_array_size(entries), i);
    json_decref(answer);
}

TEST(stat_tells_what_lstat_says)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live,
             "printf abcd >f; chmod 640 f; touch -d 2026-01-02T03:04:05.5Z f; mkdir -m 1777 d; "
             "mkfifo p; mknod s p; ln -s f l; ln -s nowhere broken; ln -s loop loop",
             0, "");
    json_t *e = call(&live, "Stat", path_of("f"), 200);
    json_t *expected =
        json_pack("{s:s,s:s,s:s,s:s,s:i,s:s,s:s,s:s,s:s}", "name", "f", "type", "FILE_TYPE_FILE",
                  "path", "/mnt/home/f", "size", "4", "mode", 0640, "permissions", "-rw-r-----",
                  "owner", "user", "group", "user", "modifiedTime", "2026-01-02T03:04:05.500Z");
    CHECK(json_equal(e, expected));
    json_decref(expected);
    json_decref(e);

    e = call(&live, "Stat", path_of("/mnt/home/d/"), 200);
    CHECK_STR(text(e, "name"), "d");
    CHECK_STR(text(e, "type"), "FILE_TYPE_DIRECTORY");
    CHECK_STR(text(e, "permissions"), "dtrwxrwxrwx");
    CHECK_INT(json_integer_value(json_object_get(e, "mode")), 0777);
    json_decref(e);

    e = call(&live, "Stat", path_of("p"), 200);
    CHECK_STR(text(e, "type"), "");
    CHECK(strncmp(text(e, "permissions"), "prw", 3) == 0);
    json_decref(e);
    e = call(&live, "Stat", path_of("/dev/null"), 200);
    CHECK_STR(text(e, "permissions"), "Dcrw-rw-rw-");
    CHECK_STR(text(e, "owner"), "root");
    json_decref(e);
    e = call(&live, "Stat", path_of("/"), 200);
    CHECK_STR(text(e, "name"), "/");
    json_decref(e);
    e = call(&live, "Stat", path_of("~"), 200);
    CHECK_STR(text(e, "path"), "/mnt/home");
    json_decref(e);

    expect_error(&live, "Stat", path_of("missing"), "not_found",
                 "file not found: /mnt/home/missing");
    expect_error(&live, "Stat", path_of("f/x"), "internal", "error getting file info");
    expect_error(&live, "Stat", path_of("~root/x"), "invalid_argument", "user-specific home dir");
}

TEST(links_have_the_type_of_their_target)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "mkdir -m 750 d; ln -s d dir; ln -s dir second; ln -s nowhere broken", 0, "");
    json_t *e = call(&live, "Stat", path_of("second"), 200);
    CHECK_STR(text(e, "type"), "FILE_TYPE_DIRECTORY");
    CHECK_STR(text(e, "symlinkTarget"), "/mnt/home/d");
    CHECK_STR(text(e, "permissions"), "Lrwxrwxrwx");
    CHECK_INT(json_integer_value(json_object_get(e, "mode")), 0750);
    CHECK_STR(text(e, "size"), "3"); /* its own: the length of "dir" */
    json_decref(e);
    e = call(&live, "Stat", path_of("broken"), 200);
    CHECK_STR(text(e, "type"), "");
    CHECK_STR(text(e, "symlinkTarget"), "/mnt/home/broken");
    CHECK(json_object_get(e, "mode") == NULL);
    json_decref(e);
}

TEST(numbers_stand_for_owners_without_a_name)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts root = {.user = "root"};
    live_start(&live);
    stream_open(&s, &live, &root, start_shell("touch /mnt/home/f; chown 4242:2000 /mnt/home/f"));
    stream_wait(&s, stream_closed);
    stream_done(&s);
    json_t *e = call(&live, "Stat", path_of("f"), 200);
    CHECK_STR(text(e, "owner"), "4242");
    CHECK_STR(text(e, "group"), "crew");
    CHECK(json_object_get(e, "size") == NULL);
    json_decref(e);
}

TEST(metadata_is_what_the_attributes_say)
{
    auto_live live = {0};
    struct reply reply;
    static const char *const headers[] = {"Content-Type: application/octet-stream",
                                          "X-Metadata-Color: blue", NULL};
    live_start(&live);
    live_request(&live, &reply, "POST", "/files?path=f", headers, "x", 1);
    CHECK_INT(reply.status, 200);
    reply_done(&reply);
    json_t *e = call(&live, "Stat", path_of("f"), 200);
    CHECK_STR(text(json_object_get(e, "metadata"), "color"), "blue");
    json_decref(e);
}

TEST(lists_are_in_order_and_as_deep_as_asked)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "mkdir -p a/b/c a/d z; touch a/b/c/f a/e m; ln -s a/b link; ln -s /mnt/home s",
             0, "");
    static const char *const flat[] = {"/mnt/home/a", "/mnt/home/link", "/mnt/home/m",
                                       "/mnt/home/s", "/mnt/home/z",    NULL};
    expect_list(&live, path_of("/mnt/home"), flat);
    expect_list(&live, path_of(""), flat);
    expect_list(&live, json_pack("{s:s,s:i}", "path", ".", "depth", 0), flat);
    static const char *const deep[] = {"/mnt/home/a/b", "/mnt/home/a/b/c", "/mnt/home/a/d",
                                       "/mnt/home/a/e", NULL};
    expect_list(&live, json_pack("{s:s,s:i}", "path", "a", "depth", 2), deep);
    static const char *const all[] = {"/mnt/home/a/b", "/mnt/home/a/b/c", "/mnt/home/a/b/c/f",
                                      "/mnt/home/a/d", "/mnt/home/a/e",   NULL};
    expect_list(&live, json_pack("{s:s,s:I}", "path", "a", "depth", (json_int_t)4294967295), all);
    /* A link as the root is followed and keeps its name. */
    static const char *const by_link[] = {"/mnt/home/link/c", "/mnt/home/link/c/f", NULL};
    expect_list(&live, json_pack("{s:s,s:i}", "path", "link/", "depth", 5), by_link);
    static const char *const none[] = {NULL};
    expect_list(&live, path_of("z"), none);

    live_run(&live, "ln -s x y; ln -s y x; touch f", 0, "");
    expect_error(&live, "ListDir", path_of("x"), "failed_precondition", "symlink");
    expect_error(&live, "ListDir", path_of("nowhere"), "not_found", "path not found: ");
    expect_error(&live, "ListDir", path_of("f"), "invalid_argument", "path is not a directory: ");
    expect_error(&live, "ListDir", json_pack("{s:s,s:i}", "path", "a", "depth", -1),
                 "invalid_argument", "depth");
}

TEST(large_lists_come_whole_or_not_at_all)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "mkdir big; cd big; seq -f %05g 20000 | xargs touch", 0, "");
    json_t *answer = call(&live, "ListDir", path_of("big"), 200);
    const json_t *entries = json_object_get(answer, "entries");
    CHECK_INT(json_array_size(entries), 20000);
    CHECK_STR(text(json_array_get(entries, 0), "name"), "00001");
    CHECK_STR(text(json_array_get(entries, 19999), "name"), "20000");
    json_decref(answer);
    /* 16 MiB are not enough for these. */
    live_run(&live,
             "cd big; for i in $(seq 5); do mkdir $(printf %0200d $i); "
             "(cd $(printf %0200d $i); seq -f %0250g 5000 | xargs touch); done",
             0, "");
    expect_error(&live, "ListDir", json_pack("{s:s,s:i}", "path", "big", "depth", 2),
                 "resource_exhausted", "listing is over the limit");
    live_run(&live, "echo alive", 0, "alive\n");
}

TEST(directories_are_made_for_the_user)
{
    auto_live live = {0};
    live_start(&live);
    json_t *e = call(&live, "MakeDir", path_of("a/b/c"), 200);
    CHECK_STR(text(e, "path"), "/mnt/home/a/b/c");
    CHECK_STR(text(e, "type"), "FILE_TYPE_DIRECTORY");
    CHECK_STR(text(e, "permissions"), "drwxr-xr-x");
    json_decref(e);
    live_run(&live, "stat -c '%U %G %a' a a/b a/b/c", 0,
             "user user 755\nuser user 755\nuser user 755\n");
    expect_error(&live, "MakeDir", path_of("a/b"), "already_exists",
                 "directory already exists: /mnt/home/a/b");
    live_run(&live, "touch f", 0, "");
    expect_error(&live, "MakeDir", path_of("f"), "invalid_argument", "not a directory");
    expect_error(&live, "MakeDir", path_of("f/x"), "internal", "");
}

TEST(moves_replace_files_and_make_parents)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "echo 1 >a; echo 2 >b; mkdir -p d/full other", 0, "");
    json_t *e = call(&live, "Move", json_pack("{s:s,s:s}", "source", "a", "destination", "b"), 200);
    CHECK_STR(text(e, "path"), "/mnt/home/b");
    json_decref(e);
    json_decref(call(&live, "Move",
                     json_pack("{s:s,s:s}", "source", "b", "destination", "new/place/c"), 200));
    live_run(&live, "cat new/place/c; stat -c %U new; ls", 0, "1\nuser\nd\nnew\nother\n");
    expect_error(&live, "Move", json_pack("{s:s,s:s}", "source", "x", "destination", "y"),
                 "not_found", "source file not found: ");
    expect_error(&live, "Move", json_pack("{s:s,s:s}", "source", "other", "destination", "d"),
                 "internal", "");
    expect_error(&live, "Move",
                 json_pack("{s:s,s:s}", "source", "d", "destination", LIVE_SMALL_FS "/d"),
                 "internal", "cross-device");
}

TEST(removals_are_whole_and_follow_no_link)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live,
             "mkdir -p t/a/b kept; touch kept/f t/x t/a/b/y; ln -s ../kept t/link; "
             "touch single; ln -s kept l",
             0, "");
    json_decref(call(&live, "Remove", path_of("t"), 200));
    json_decref(call(&live, "Remove", path_of("single"), 200));
    json_decref(call(&live, "Remove", path_of("l"), 200));
    json_decref(call(&live, "Remove", path_of("never/was"), 200));
    live_run(&live, "ls; ls kept", 0, "kept\nf\n");
    expect_error(&live, "Remove", path_of("kept/f/x"), "internal", "");
    expect_error(&live, "Remove", path_of("/proc"), "internal", "busy");
    expect_error(&live, "Remove", path_of("/"), "internal", "");
    expect_error(&live, "Remove", path_of("~other"), "invalid_argument", "");
}

TEST(deep_and_wide_trees_are_removed_while_others_are_served)
{
    auto_live live = {0};
    struct reply reply;
    static const char *const json[] = {"Content-Type: application/json", NULL};
    static const char body[] = "{\"path\":\"t\"}";
    live_start(&live);
    live_run(&live,
             "python3 -c 'import os\n"
             "os.mkdir(\"t\"); os.chdir(\"t\")\n"
             "for i in range(3000): open(\"f%d\" % i, \"w\").close()\n"
             "for i in range(3000): os.mkdir(\"d\"); os.chdir(\"d\")\n'",
             0, "");
    live_send(&live, &reply, "POST", SERVICE "Remove", json, body, sizeof(body) - 1);
    live_run(&live, "echo served", 0, "served\n");
    live_wait_reply(&live, &reply);
    CHECK_INT(reply.status, 200);
    reply_done(&reply);
    live_run(&live, "ls", 0, "");
    live_check_private(&live, 2 * WR_MIB);
}

TEST(clients_that_leave)
{
    auto_live live = {0};
    struct reply reply;
    static const char *const json[] = {"Content-Type: application/json", NULL};
    live_start(&live);
    live_run(&live, "mkdir t; cd t; seq 20000 | xargs touch", 0, "");
    for (int i = 0; i < 40; i++) { /* more than may be under way at a time */
        live_send(&live, &reply, "POST", SERVICE "ListDir", json, "{\"path\":\"t\"}", 12);
        live_idle(&live, 5);
        reply_done(&reply);
    }
    /* Their places become free. */
    int status = 0;
    for (int i = 0; i < 100 && status != 200; i++) {
        json_decref(live_rpc(&live, SERVICE "ListDir", path_of("t"), &status));
        live_idle(&live, 50);
    }
    CHECK_INT(status, 200);
    /* A removal goes on. */
    live_send(&live, &reply, "POST", SERVICE "Remove", json, "{\"path\":\"t\"}", 12);
    live_idle(&live, 5);
    reply_done(&reply);
    live_run(&live, "for i in $(seq 100); do [ -e t ] || exit 0; sleep 0.1; done; exit 1", 0, "");
}

TEST(everything_needs_a_known_user)
{
    auto_live live = {0};
    struct reply reply;
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Authorization: Basic bm9ib2R5LWhlcmU6", NULL};
    live_start(&live);
    live_request(&live, &reply, "POST", SERVICE "Stat", headers, "{\"path\":\"/\"}", 12);
    CHECK_INT(reply.status, 401);
    CHECK(strstr(wr_buf_cstr(&reply.body), "invalid username: 'nobody-here'") != NULL);
    reply_done(&reply);
}
