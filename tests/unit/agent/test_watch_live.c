/* Watching directories of a running agent: watchers that are asked, and streams. */
#include "agent/fs/filesystem_messages.h"
#include "agent/fs/watch_poll.h"
#include "base/str.h"
#include "live_messages.h"
#include "test.h"

#define SERVICE "/filesystem.Filesystem/"

struct watched {
    struct live *live;
    char id[64];
};

static json_t *watch_request(const char *path, bool recursive, bool entry)
{
    return json_pack("{s:s,s:b,s:b}", "path", path, "recursive", recursive, "includeEntry", entry);
}

static void create(struct watched *w, struct live *live, json_t *request)
{
    int status = 0;
    json_t *answer = live_rpc(live, SERVICE "CreateWatcher", request, &status);
    const char *id = json_string_value(json_object_get(answer, "watcherId"));

    CHECK_INT(status, 200);
    CHECK(id && strlen(id) == 21 && id[0] == 'w');
    w->live = live;
    snprintf(w->id, sizeof(w->id), "%s", id);
    json_decref(answer);
}

static json_t *id_of(const struct watched *w)
{
    return json_pack("{s:s}", "watcherId", w->id);
}

static json_t *fetch(struct watched *w)
{
    int status = 0;
    json_t *answer = live_rpc(w->live, SERVICE "GetWatcherEvents", id_of(w), &status);

    CHECK_INT(status, 200);
    return answer;
}

/* "CREATE a, WRITE a" */
static void describe(const json_t *events, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(events) && len < cap; i++) {
        const json_t *e = json_array_get(events, i);
        const char *type = json_string_value(json_object_get(e, "type"));
        const char *name = json_string_value(json_object_get(e, "name"));
        CHECK(type && name && wr_starts_with(type, "EVENT_TYPE_"));
        len +=
            (size_t)snprintf(out + len, cap - len, "%s%s %s", i > 0 ? ", " : "", type + 11, name);
    }
}

static void expect(struct watched *w, const char *events)
{
    char got[4096];
    json_t *answer = fetch(w);

    describe(json_object_get(answer, "events"), got, sizeof(got));
    CHECK_STR(got, events);
    json_decref(answer);
}

static void put(struct live *live, const char *target, const char *body)
{
    static const char *const octets[] = {"Content-Type: application/octet-stream", NULL};
    struct reply reply;

    live_request(live, &reply, "POST", target, octets, body, strlen(body));
    CHECK_INT(reply.status, 200);
    reply_done(&reply);
}

/* Two events `count` times. */
static void churn(struct live *live, int count)
{
    char command[160];

    snprintf(command, sizeof(command),
             "python3 -c 'import os\nfor i in range(%d): os.close(os.open(\"x\", os.O_CREAT)); "
             "os.unlink(\"x\")'",
             count);
    live_run(live, command, 0, "");
}

TEST(an_upload_is_three_events_that_are_there_at_once)
{
    auto_live live = {0};
    struct watched w;
    live_start(&live);
    create(&w, &live, watch_request("", false, false));
    expect(&w, "");
    put(&live, "/files?path=new.txt", "hello");
    expect(&w, "CREATE new.txt, CHMOD new.txt, WRITE new.txt");
    expect(&w, "");
    live_expect(&live, SERVICE "RemoveWatcher", id_of(&w), NULL);
    live_expect(&live, SERVICE "RemoveWatcher", id_of(&w), "not_found");
    live_expect(&live, SERVICE "GetWatcherEvents", id_of(&w), "not_found");
}

TEST(every_kind_of_change)
{
    auto_live live = {0};
    struct watched w;
    live_start(&live);
    live_run(&live, "mkdir d; touch d/a", 0, "");
    create(&w, &live, watch_request("d", false, false));
    live_run(&live, "mv d/a d/b", 0, "");
    expect(&w, "RENAME a, CREATE b");
    live_run(&live, "chmod 600 d/b; cat d/b; ls d", 0, "b\n"); /* reading is no event */
    expect(&w, "CHMOD b");
    live_run(&live, "echo x >>d/b; mkdir d/sub; touch d/sub/deep; rm d/b", 0, "");
    expect(&w, "WRITE b, CREATE sub, REMOVE b");
    live_run(&live, "chmod 700 d", 0, "");
    expect(&w, "CHMOD .");
    live_run(&live, "mv d e; rm -r e", 0, "");
    expect(&w, "RENAME ., REMOVE sub, REMOVE .");
    expect(&w, "");
}

TEST(whole_trees)
{
    auto_live live = {0};
    struct watched w;
    live_start(&live);
    live_run(&live, "mkdir -p t/a/b", 0, "");
    create(&w, &live, watch_request("t", true, false));
    live_run(&live, "echo x >t/a/b/f", 0, "");
    expect(&w, "CREATE a/b/f, WRITE a/b/f");
    live_expect(&live, SERVICE "MakeDir", json_pack("{s:s}", "path", "t/new/deep"), NULL);
    put(&live, "/files?path=t/new/deep/g", "1");
    expect(&w, "CREATE new, CREATE new/deep, CHMOD new, CREATE new/deep/g, CHMOD new/deep/g, "
               "WRITE new/deep/g");
    /* A directory takes its watches along, and loses them outside. */
    live_run(&live, "mv t/new t/a/moved; : >t/a/moved/deep/h", 0, "");
    expect(&w, "RENAME new, CREATE a/moved, CREATE a/moved/deep/h");
    live_run(&live, "mv t/a/moved out", 0, "");
    expect(&w, "RENAME a/moved"); /* it is known to be outside only now */
    live_run(&live, ": >out/deep/i; : >out/j; rm -r t/a", 0, "");
    expect(&w, "REMOVE a/b/f, REMOVE a/b, REMOVE a");
    live_run(&live, "mv out t/in", 0, ""); /* what comes with it is new here */
    json_t *answer = fetch(&w);
    CHECK_INT(json_array_size(json_object_get(answer, "events")), 7);
    json_decref(answer);
    live_run(&live, ": >t/in/deep/k", 0, "");
    expect(&w, "CREATE in/deep/k");
}

#define DIRS  60
#define FILES 10

/* How often each file t/D/sub/F was reported as created. */
static void count_creations(struct watched *w, int seen[DIRS][FILES])
{
    json_t *answer = fetch(w);
    const json_t *events = json_object_get(answer, "events");

    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        int d = -1, f = -1;
        const char *name = json_string_value(json_object_get(e, "name"));
        if (sscanf(name, "%d/sub/%d", &d, &f) == 2 &&
            wr_streq(json_string_value(json_object_get(e, "type")), "EVENT_TYPE_CREATE"))
            seen[d][f]++;
    }
    json_decref(answer);
}

/* Directories and files appear faster than anybody can watch them, while events are fetched: each
 * must be told of once. */
TEST(nothing_is_missed_in_new_directories)
{
    auto_live live = {0};
    struct watched w;
    struct stream s;
    const struct stream_opts plain = {0};
    static int seen[DIRS][FILES];
    live_start(&live);
    live_run(&live, "mkdir t", 0, "");
    create(&w, &live, watch_request("t", true, false));
    stream_open(
        &s, &live, &plain,
        start_shell("for d in $(seq 0 59); do mkdir -p t/$d/sub; for f in 0 1 2 3 4 5 6 7 8 "
                    "9; do : >t/$d/sub/$f; done; done"));
    while (!s.closed)
        count_creations(&w, seen);
    CHECK_INT(s.exit_code, 0);
    stream_done(&s);
    count_creations(&w, seen);
    for (size_t i = 0; i < (size_t)DIRS * FILES; i++)
        CHECK_INT(seen[i / FILES][i % FILES], 1);
}

TEST(entries_come_with_creation_write_and_mode_only)
{
    auto_live live = {0};
    struct watched w;
    live_start(&live);
    create(&w, &live, watch_request("/mnt/home", false, true));
    put(&live, "/files?path=f", "hello");
    live_run(&live, "mv f g", 0, "");
    json_t *answer = fetch(&w);
    const json_t *events = json_object_get(answer, "events");
    CHECK_INT(json_array_size(events), 5);
    CHECK(json_object_get(json_array_get(events, 3), "entry") == NULL); /* RENAME f */
    const json_t *entry = json_object_get(json_array_get(events, 4), "entry");
    CHECK_STR(json_string_value(json_object_get(entry, "path")), "/mnt/home/g");
    CHECK_STR(json_string_value(json_object_get(entry, "size")), "5");
    json_decref(answer);
    live_run(&live, "rm g; echo 1 >h", 0, "");
    answer = fetch(&w);
    events = json_object_get(answer, "events");
    CHECK(json_object_get(json_array_get(events, 0), "entry") == NULL);
    CHECK(json_object_get(json_array_get(events, 1), "entry") != NULL);
    json_decref(answer);
}

TEST(what_cannot_be_watched)
{
    auto_live live = {0};
    struct watched w;
    live_start(&live);
    live_run(&live, "touch f", 0, "");
    live_expect(&live, SERVICE "CreateWatcher", watch_request("none", false, false), "not_found");
    live_expect(&live, SERVICE "CreateWatcher", watch_request("f", false, false),
                "invalid_argument");
    for (int i = 0; i < WR_WATCHERS_MAX; i++)
        create(&w, &live, watch_request("", false, false));
    live_expect(&live, SERVICE "CreateWatcher", watch_request("", false, false),
                "resource_exhausted");
    live_expect(&live, SERVICE "RemoveWatcher", id_of(&w), NULL);
    create(&w, &live, watch_request("", false, false));
}

TEST(a_watcher_that_nobody_asks_ends_when_its_buffer_is_full)
{
    auto_live live = {0};
    struct watched w;
    int status = 0;
    live_start(&live);
    create(&w, &live, watch_request("", false, false));
    churn(&live, 40000);
    json_t *answer = live_rpc(&live, SERVICE "GetWatcherEvents", id_of(&w), &status);
    CHECK_STR(json_string_value(json_object_get(answer, "code")), "internal");
    json_decref(answer);
    live_expect(&live, SERVICE "GetWatcherEvents", id_of(&w), "internal");
    live_expect(&live, SERVICE "RemoveWatcher", id_of(&w), NULL);
    live_idle(&live, 100);
    live_check_private(&live, 2 * WR_MIB);

    /* One that is over gives way to a new one; those that may be asked again do not. */
    struct watched over, last;
    create(&over, &live, watch_request("", false, false));
    churn(&live, 40000);
    for (int i = 1; i < WR_WATCHERS_MAX; i++)
        create(&w, &live, watch_request("", false, false));
    live_expect(&live, SERVICE "GetWatcherEvents", id_of(&over), "internal");
    create(&last, &live, watch_request("", false, false));
    live_expect(&live, SERVICE "GetWatcherEvents", id_of(&over), "not_found");
    live_expect(&live, SERVICE "GetWatcherEvents", id_of(&w), NULL);
    live_expect(&live, SERVICE "CreateWatcher", watch_request("", false, false),
                "resource_exhausted");
}

static void open_stream(struct messages *m, struct live *live, const char *const *headers,
                        bool binary, json_t *request)
{
    const struct messages_opts opts = {.path = SERVICE "WatchDir",
                                       .request = binary ? &wr_fs_watch_request : NULL,
                                       .response = binary ? &wr_fs_watch_dir_response : NULL,
                                       .headers = headers};
    messages_open(m, live, &opts);
    (void)messages_send(m, request);
    messages_finish(m);
}

static const json_t *event_of(const struct messages *m, size_t i)
{
    const json_t *event = json_object_get(json_array_get(m->list, i), "filesystem");
    CHECK(event != NULL);
    return event;
}

static void check_stream(bool binary)
{
    auto_live live = {0};
    struct messages m;
    live_start(&live);
    live_run(&live, "mkdir d", 0, "");
    open_stream(&m, &live, NULL, binary, watch_request("d", true, true));
    messages_wait(&m, 1);
    CHECK(json_object_get(json_array_get(m.list, 0), "start") != NULL);
    live_run(&live, "echo hello >d/f; sleep 0.2; chmod 600 d/f", 0, "");
    messages_wait(&m, 4);
    CHECK_STR(json_string_value(json_object_get(event_of(&m, 1), "type")), "EVENT_TYPE_CREATE");
    CHECK_STR(json_string_value(json_object_get(event_of(&m, 2), "type")), "EVENT_TYPE_WRITE");
    const json_t *last = event_of(&m, 3);
    CHECK_STR(json_string_value(json_object_get(last, "type")), "EVENT_TYPE_CHMOD");
    CHECK_STR(json_string_value(json_object_get(last, "name")), "f");
    const json_t *entry = json_object_get(last, "entry");
    CHECK_STR(json_string_value(json_object_get(entry, "permissions")), "-rw-------");
    CHECK_STR(json_string_value(json_object_get(entry, "type")), "FILE_TYPE_FILE");
    CHECK_STR(json_string_value(json_object_get(entry, "size")), "6");
    CHECK_INT(json_integer_value(json_object_get(entry, "mode")), 0600);
    messages_done(&m);
}

TEST(a_stream_of_events)
{
    check_stream(false);
}

TEST(a_stream_of_events_in_binary)
{
    check_stream(true);
}

TEST(streams_keep_alive_end_in_time_and_report_errors)
{
    auto_live live = {0};
    struct messages m;
    static const char *const headers[] = {"Keepalive-Ping-Interval: 1", "Connect-Timeout-Ms: 1500",
                                          NULL};
    live_start(&live);
    open_stream(&m, &live, headers, false, watch_request("/mnt/home", false, false));
    messages_wait_closed(&m);
    CHECK_STR(m.code, "deadline_exceeded");
    CHECK_INT(m.status, 200);
    CHECK_INT(json_array_size(m.list), 2);
    CHECK(json_object_get(json_array_get(m.list, 1), "keepalive") != NULL);
    messages_done(&m);

    open_stream(&m, &live, NULL, false, watch_request("none", false, false));
    messages_wait_closed(&m);
    CHECK_STR(m.code, "not_found");
    CHECK(wr_starts_with(m.message, "path /mnt/home/none not found"));
    messages_done(&m);
    open_stream(&m, &live, NULL, false, watch_request("/etc/passwd", false, false));
    messages_wait_closed(&m);
    CHECK_STR(m.code, "invalid_argument");
    CHECK(wr_starts_with(m.message, "path /etc/passwd not a directory"));
    messages_done(&m);
}

TEST(a_client_that_leaves_makes_room)
{
    auto_live live = {0};
    struct messages m;
    live_start(&live);
    for (int i = 0; i < 2 * WR_WATCHERS_MAX; i++) {
        open_stream(&m, &live, NULL, false, watch_request("", false, false));
        messages_wait(&m, 1);
        messages_done(&m);
    }
}

/* A reader that stands still costs no memory; what the kernel cannot keep for it ends its stream.
 */
TEST(a_slow_reader_of_events)
{
    auto_live live = {0};
    struct messages m;
    live_start(&live);
    open_stream(&m, &live, NULL, false, watch_request("/mnt/home", false, false));
    messages_wait(&m, 1);
    wr_http_call_pause(m.call, true);
    churn(&live, 60000);
    live_check_private(&live, 2 * WR_MIB);
    wr_http_call_pause(m.call, false);
    messages_wait_closed(&m);
    CHECK_STR(m.code, "internal");
    CHECK(json_array_size(m.list) > 1000);
    messages_done(&m);
    live_run(&live, "echo alive", 0, "alive\n");
}
