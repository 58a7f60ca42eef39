#include "fake_engine.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/rand.h"
#include "engine/action.h"
#include "sys/message.h"
#include "test.h"

#define MAX_SANDBOXES 64
#define MAX_VOLUMES   120
#define MAX_SNAPSHOTS 64
#define VOLUME_ID_LEN 36

struct record {
    char id[WR_ID_LEN + 1];
    char template[64];
    bool undying, blank, stale;
    bool memory;                    /* of a paused one */
    unsigned level;                 /* of levels[] */
    char volume[VOLUME_ID_LEN + 1]; /* the first one that it has mounted */
};

/* "" is a free place. */
static char volumes[MAX_VOLUMES][VOLUME_ID_LEN + 1];

/* "" is a free place. */
static struct saved {
    char id[WR_ID_LEN + 1], of[WR_ID_LEN + 1], template[64];
    bool memory;
} snapshots[MAX_SNAPSHOTS];

static const char *const levels[] = {"running", "frozen", "paged", "hibernated"};
static unsigned preset_paused;

static struct record records[MAX_SANDBOXES];
static size_t record_count;
static int sock;
static bool dry;

static void send_json(unsigned kind, unsigned flags, uint32_t sequence, json_t *json,
                      size_t fd_count)
{
    static char message[WR_ACTION_MAX];
    int fds[WR_ACTION_MAX_SOCKETS];
    char *text = json_dumps(json, JSON_COMPACT);
    struct wr_action_header header = {.magic = WR_ACTION_MAGIC,
                                      .version = WR_ACTION_VERSION,
                                      .kind = (uint16_t)kind,
                                      .flags = flags,
                                      .sequence = sequence,
                                      .length = (uint32_t)strlen(text)};

    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, text, header.length);
    for (size_t i = 0; i < fd_count; i++)
        fds[i] = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int rc = wr_message_send(sock, message, sizeof header + header.length, fds, fd_count);
    if (rc < 0)
        _exit(rc == -EPIPE ? 0 : 2); /* a server that ended while it was answered */
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    free(text);
    json_decref(json);
}

static struct record *find(const char *id)
{
    for (size_t i = 0; i < record_count; i++)
        if (wr_streq(records[i].id, id))
            return &records[i];
    return NULL;
}

static struct record *add(const char *id, bool undying)
{
    struct record *r = &records[record_count++];
    if (record_count > MAX_SANDBOXES || !wr_strcopy(r->id, sizeof r->id, id))
        _exit(3);
    r->undying = undying;
    r->blank = r->stale = false;
    r->volume[0] = '\0';
    r->level = 0;
    memcpy(r->template, "base", sizeof "base");
    return r;
}

/* Sandboxes that are made now are a second apart, the presets are of the same time. */
static json_t *describe(const char *id, const char *template)
{
    static json_int_t created_ms = 1700000000000;
    json_int_t ms = template ? (created_ms += 1000) : 1700000000000;
    return json_pack("{s:s, s:s, s:i, s:I, s:I, s:i, s:i, s:I}", "id", id, "template",
                     template ? template : "base", "cpuMillis", 1500, "memoryBytes",
                     (json_int_t)(512 * WR_MIB), "diskBytes", (json_int_t)WR_GIB, "pids", 64,
                     "openFiles", 1024, "createdMs", ms);
}

static void refuse(unsigned kind, uint32_t sequence, int code, const char *message);

/* ---- pausing ---- */

static void add_level(json_t *json, const struct record *record)
{
    json_object_set_new(json, "level", json_string(levels[record->level]));
    if (record->level == 0)
        return;
    json_object_set_new(json, "memory", json_boolean(record->memory));
    json_object_set_new(json, "pausedMs", json_integer(1700000500000));
    json_object_set_new(json, "bytes", json_integer(record->level == 3 ? 4096 : 0));
    if (wr_streq(record->template, "undumpable"))
        json_object_set_new(json, "reason", json_string("it uses io_uring"));
}

static void on_pause(const json_t *request, uint32_t sequence)
{
    struct record *record = find(json_string_value(json_object_get(request, "id")));
    const char *level = json_string_value(json_object_get(request, "level"));
    unsigned wanted = 3;

    if (!record) {
        refuse(WR_ACTION_PAUSE, sequence, 5, "no such sandbox");
        return;
    }
    while (wanted > 0 && !wr_streq(levels[wanted], level))
        wanted--;
    if (wanted == 0)
        _exit(10);
    if (wr_streq(record->template, "lasting"))
        (void)poll(NULL, 0, 1000);
    if (wr_streq(record->template, "full")) {
        refuse(WR_ACTION_PAUSE, sequence, 8, "the disk is full");
        return;
    }
    if (wr_streq(record->template, "undumpable"))
        wanted = 1;
    record->level = wanted > record->level ? wanted : record->level;
    record->memory = json_is_true(json_object_get(request, "memory"));
    if (wr_streq(record->template, "frail")) {
        send_json(WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json_object(), 0);
        return;
    }
    json_t *reply = json_object();
    add_level(reply, record);
    send_json(WR_ACTION_PAUSE | WR_ACTION_REPLY, 0, sequence, reply, 0);
}

/* A boot needs what the engine has forgotten. */
static void check_boot(const struct record *record, const json_t *request)
{
    const json_t *env = json_object_get(request, "envVars");

    if (!json_is_object(env) || !json_object_get(request, "controlToken"))
        _exit(11);
    if (wr_streq(record->template, "secure") && !json_object_get(request, "accessToken"))
        _exit(12);
    if (wr_streq(record->template, "secure") &&
        !wr_streq(json_string_value(json_object_get(env, "K")), "v"))
        _exit(13);
}

static void on_resume(const json_t *request, uint32_t sequence)
{
    struct record *record = find(json_string_value(json_object_get(request, "id")));
    bool memory = json_is_true(json_object_get(request, "memory"));

    if (!record) {
        refuse(WR_ACTION_RESUME, sequence, 5, "no such sandbox");
        return;
    }
    if (wr_streq(record->template, "damaged") && memory) {
        refuse(WR_ACTION_RESUME, sequence, 15, "the image is damaged");
        return;
    }
    if (wr_streq(record->template, "crowded")) {
        refuse(WR_ACTION_RESUME, sequence, 8, "the volume is full");
        return;
    }
    if (wr_streq(record->template, "lasting"))
        (void)poll(NULL, 0, 1000);
    bool boots = record->level > 0 && !(memory && record->memory);
    if (boots)
        check_boot(record, request);
    record->level = 0;
    if (wr_streq(record->template, "frail")) {
        send_json(WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json_object(), 0);
        return;
    }
    json_t *reply = describe(record->id, record->template);
    add_level(reply, record);
    json_object_set_new(reply, "booted", json_boolean(boots));
    send_json(WR_ACTION_RESUME | WR_ACTION_REPLY, 0, sequence, reply,
              (size_t)json_integer_value(json_object_get(request, "sockets")));
}

/* ---- volumes ---- */

static void refuse(unsigned kind, uint32_t sequence, int code, const char *message)
{
    send_json(kind | WR_ACTION_REPLY, WR_ACTION_FLAG_ERROR, sequence,
              json_pack("{s:i, s:s}", "code", code, "message", message), 0);
}

static char *find_volume(const char *id)
{
    for (size_t i = 0; i < MAX_VOLUMES; i++)
        if (wr_streq(volumes[i], id))
            return volumes[i];
    return NULL;
}

static size_t users_of(const char *id)
{
    size_t count = 0;

    for (size_t i = 0; i < record_count; i++)
        count += wr_streq(records[i].volume, id);
    return count;
}

static void on_volume_create(const json_t *request, uint32_t sequence)
{
    const char *id = json_string_value(json_object_get(request, "volume"));
    json_int_t bytes = json_integer_value(json_object_get(request, "sizeBytes"));
    char *place = find_volume(id);

    if (!place)
        place = find_volume("");
    if (!place || bytes == (json_int_t)(9 * WR_MIB)) {
        refuse(WR_ACTION_VOLUME_CREATE, sequence, 8, "there is no room for the volume");
        return;
    }
    memcpy(place, id, VOLUME_ID_LEN + 1);
    if (bytes == (json_int_t)(10 * WR_MIB))
        send_json(WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json_object(), 0);
    else
        send_json(WR_ACTION_VOLUME_CREATE | WR_ACTION_REPLY, 0, sequence, json_object(), 0);
}

static void on_volume_remove(const json_t *request, uint32_t sequence)
{
    const char *id = json_string_value(json_object_get(request, "volume"));
    char *place = find_volume(id);

    if (!place) {
        refuse(WR_ACTION_VOLUME_REMOVE, sequence, 5, "there is no such volume");
        return;
    }
    if (users_of(id) > 0) {
        refuse(WR_ACTION_VOLUME_REMOVE, sequence, 9, "the volume is mounted");
        return;
    }
    place[0] = '\0';
    send_json(WR_ACTION_VOLUME_REMOVE | WR_ACTION_REPLY, 0, sequence, json_object(), 0);
}

/* One per page, so that paging is used. */
static void on_volumes(const json_t *request, uint32_t sequence)
{
    const char *after = json_string_value(json_object_get(request, "after")), *next = NULL;
    json_t *list = json_array();
    size_t left = 0;

    for (size_t i = 0; i < MAX_VOLUMES; i++) {
        if (strcmp(volumes[i], after) <= 0)
            continue;
        left++;
        if (!next || strcmp(volumes[i], next) < 0)
            next = volumes[i];
    }
    if (next)
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:i}", "volume", next, "sizeBytes",
                                              1, "usedBytes", 0, "sandboxes", 0));
    send_json(WR_ACTION_VOLUMES | WR_ACTION_REPLY, 0, sequence,
              json_pack("{s:o, s:b}", "volumes", list, "more", left > 1), 0);
}

/* ---- snapshots ---- */

static struct saved *find_saved(const char *id)
{
    for (size_t i = 0; i < MAX_SNAPSHOTS; i++)
        if (wr_streq(snapshots[i].id, id))
            return &snapshots[i];
    return NULL;
}

static json_t *describe_saved(const struct saved *saved)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:I}", "snapshot", saved->id, "id", saved->of,
                     "template", saved->template, "memory", saved->memory, "bytes", 4711,
                     "frozenUs", 1234, "createdMs", (json_int_t)1700000000000);
}

static void on_snapshot(const json_t *request, uint32_t sequence)
{
    const struct record *record = find(json_string_value(json_object_get(request, "id")));
    const char *id = json_string_value(json_object_get(request, "snapshot"));
    struct saved *place = find_saved("");

    if (!record) {
        refuse(WR_ACTION_SNAPSHOT, sequence, 5, "no such sandbox");
        return;
    }
    if (!place || !id || wr_streq(record->template, "full")) {
        refuse(WR_ACTION_SNAPSHOT, sequence, 8, "there is no room for the snapshot");
        return;
    }
    if (wr_streq(record->template, "lasting"))
        (void)poll(NULL, 0, 1000);
    *place = (struct saved){.memory = json_is_true(json_object_get(request, "memory"))};
    memcpy(place->id, id, sizeof place->id);
    memcpy(place->of, record->id, sizeof place->of);
    memcpy(place->template, record->template, sizeof place->template);
    if (wr_streq(record->template, "frail"))
        send_json(WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json_object(), 0);
    else
        send_json(WR_ACTION_SNAPSHOT | WR_ACTION_REPLY, 0, sequence, describe_saved(place), 0);
}

static void on_snapshot_remove(const json_t *request, uint32_t sequence)
{
    struct saved *saved = find_saved(json_string_value(json_object_get(request, "snapshot")));

    if (!saved) {
        refuse(WR_ACTION_SNAPSHOT_REMOVE, sequence, 5, "there is no such snapshot");
        return;
    }
    saved->id[0] = '\0';
    send_json(WR_ACTION_SNAPSHOT_REMOVE | WR_ACTION_REPLY, 0, sequence, json_object(), 0);
}

/* One per page, so that paging is used. */
static void on_snapshots(const json_t *request, uint32_t sequence)
{
    const char *after = json_string_value(json_object_get(request, "after"));
    const struct saved *next = NULL;
    json_t *list = json_array();
    size_t left = 0;

    for (size_t i = 0; i < MAX_SNAPSHOTS; i++) {
        if (strcmp(snapshots[i].id, after) <= 0)
            continue;
        left++;
        if (!next || strcmp(snapshots[i].id, next->id) < 0)
            next = &snapshots[i];
    }
    if (next)
        json_array_append_new(list, describe_saved(next));
    send_json(WR_ACTION_SNAPSHOTS | WR_ACTION_REPLY, 0, sequence,
              json_pack("{s:o, s:b}", "snapshots", list, "more", left > 1), 0);
}

static void add_from(const struct saved *saved, const char *id, size_t sockets, uint32_t sequence)
{
    json_t *reply = describe(id, saved->template);
    struct record *record = add(id, false);

    memcpy(record->template, saved->template, sizeof record->template);
    json_object_set_new(reply, "booted", json_boolean(!saved->memory));
    send_json(WR_ACTION_CREATE | WR_ACTION_REPLY, 0, sequence, reply, sockets);
}

static void on_rollback(const json_t *request, uint32_t sequence)
{
    struct record *record = find(json_string_value(json_object_get(request, "id")));
    const struct saved *saved = find_saved(json_string_value(json_object_get(request, "snapshot")));

    if (!record || !saved) {
        refuse(WR_ACTION_ROLLBACK, sequence, 5, "no such sandbox or snapshot");
        return;
    }
    if (wr_streq(record->template, "crowded")) {
        refuse(WR_ACTION_ROLLBACK, sequence, 8, "the volume is full");
        return;
    }
    record->level = 0;
    json_t *reply = describe(record->id, record->template);
    json_object_set_new(reply, "booted", json_boolean(!saved->memory));
    send_json(WR_ACTION_ROLLBACK | WR_ACTION_REPLY, 0, sequence, reply,
              (size_t)json_integer_value(json_object_get(request, "sockets")));
}

/* The sandbox that was made last. */
static void lose_last(const char *id)
{
    send_json(WR_EVENT_GONE | WR_ACTION_EVENT, 0, 0,
              json_pack("{s:s, s:s}", "id", id, "reason", "oom"), 0);
    records[--record_count].id[0] = '\0';
}

static void on_create(const json_t *request, uint32_t sequence)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    const char *template = json_string_value(json_object_get(request, "template"));
    const char *token = json_string_value(json_object_get(request, "accessToken"));
    size_t sockets = (size_t)json_integer_value(json_object_get(request, "sockets"));
    const char *volume = json_string_value(
        json_object_get(json_array_get(json_object_get(request, "volumes"), 0), "volume"));

    char own_id[WR_ID_LEN + 1];

    if (!id) {
        wr_random_id(own_id, WR_ID_LEN);
        id = own_id;
    }
    const char *snapshot = json_string_value(json_object_get(request, "snapshot"));
    if (snapshot) {
        const struct saved *saved = find_saved(snapshot);
        if (saved)
            add_from(saved, id, sockets, sequence);
        else
            refuse(WR_ACTION_CREATE, sequence, 5, "there is no such snapshot");
        return;
    }
    if (wr_streq(template, "silent"))
        return;
    if (wr_streq(template, "slow"))
        (void)poll(NULL, 0, 100);
    if (wr_streq(template, "restart")) {
        send_json(WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json_object(), 0);
        return;
    }
    if (wr_streq(template, "fail")) {
        send_json(WR_ACTION_CREATE | WR_ACTION_REPLY, WR_ACTION_FLAG_ERROR, sequence,
                  json_pack("{s:i, s:s}", "code", 9, "message", "this template fails"), 0);
        return;
    }
    if (wr_streq(template, "missing")) {
        send_json(WR_ACTION_CREATE | WR_ACTION_REPLY, WR_ACTION_FLAG_ERROR, sequence,
                  json_pack("{s:i, s:s}", "code", 5, "message", "no such template"), 0);
        return;
    }
    if (wr_streq(template, "secure") && !token)
        _exit(6);
    dry = wr_streq(template, "dry");
    if (dry)
        sockets = 1;
    struct record *record = add(id, wr_streq(template, "undying"));
    if (!wr_strcopy(record->template, sizeof record->template, template))
        _exit(9);
    record->blank = json_is_true(json_object_get(request, "blank"));
    record->stale = wr_streq(template, "stale");
    if (volume && !find_volume(volume))
        _exit(7);
    if (volume)
        memcpy(record->volume, volume, sizeof record->volume);
    if (json_is_true(json_object_get(request, "content")) && (!volume || !token))
        _exit(8);
    send_json(WR_ACTION_CREATE | WR_ACTION_REPLY, 0, sequence, describe(id, template), sockets);
    if (wr_streq(template, "dies"))
        lose_last(id);
}

static void on_assign(const json_t *request, uint32_t sequence)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    const struct record *record = find(id);
    json_t *pids = json_object_get(request, "pids");

    if (!record || !record->blank || record->stale) {
        send_json(WR_ACTION_ASSIGN | WR_ACTION_REPLY, WR_ACTION_FLAG_ERROR, sequence,
                  json_pack("{s:i, s:s}", "code", record ? 9 : 5, "message", "cannot be assigned"),
                  0);
        return;
    }
    json_t *reply = describe(id, "base");
    if (pids)
        json_object_set(reply, "pids", pids);
    send_json(WR_ACTION_ASSIGN | WR_ACTION_REPLY, 0, sequence, reply, 0);
}

/* Two per page, so that paging is used. */
static void on_list(const json_t *request, uint32_t sequence)
{
    const char *after = json_string_value(json_object_get(request, "after"));
    json_t *list = json_array();
    bool more = false;

    for (;;) {
        const struct record *next = NULL;
        for (size_t i = 0; i < record_count; i++)
            if (strcmp(records[i].id, after) > 0 && (!next || strcmp(records[i].id, next->id) < 0))
                next = &records[i];
        if (!next)
            break;
        if (json_array_size(list) == 2) {
            more = true;
            break;
        }
        json_t *item = describe(next->id, NULL);
        add_level(item, next);
        json_array_append_new(list, item);
        after = next->id;
    }
    send_json(WR_ACTION_LIST | WR_ACTION_REPLY, 0, sequence,
              json_pack("{s:o, s:b}", "sandboxes", list, "more", more), 0);
}

/* One per page, so that paging is used. */
static void on_templates(const json_t *request, json_t *reply)
{
    static const char *const names[] = {"base", "secure", "slow"};
    const char *after = json_string_value(json_object_get(request, "after"));
    json_t *list = json_array();
    bool more = false;

    after = after ? after : "";
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        if (strcmp(names[i], after) <= 0)
            continue;
        more = json_array_size(list) > 0;
        if (more)
            break;
        json_t *aliases = i == 0 ? json_pack("[s, s]", "code-interpreter-v1", "b") : json_array();
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:i, s:I, s:i, s:I, s:I}", "name", names[i],
                                        "aliases", aliases, "layers", 1, "createdMs",
                                        (json_int_t)1600000000000 + (json_int_t)i, "cpuMillis",
                                        2000, "memoryBytes", (json_int_t)WR_GIB, "diskBytes",
                                        (json_int_t)(4 * WR_GIB)));
    }
    json_object_set_new(reply, "templates", list);
    json_object_set_new(reply, "more", json_boolean(more));
}

static void answer(unsigned kind, uint32_t sequence, const json_t *request)
{
    const char *id = json_string_value(json_object_get(request, "id"));
    if (dry && kind == WR_ACTION_SOCKETS)
        return;
    if (dry && kind == WR_ACTION_STATS)
        lose_last(id);
    struct record *record = id ? find(id) : NULL;
    json_t *json = json_object();
    size_t fds = 0;

    if (id && !record) {
        send_json(kind | WR_ACTION_REPLY, WR_ACTION_FLAG_ERROR, sequence,
                  json_pack("{s:i, s:s}", "code", 5, "message", "no such sandbox"), 0);
        json_decref(json);
        return;
    }
    if (kind == WR_ACTION_KILL && record->undying)
        return;
    if (kind == WR_ACTION_KILL) {
        *record = records[--record_count];
    } else if (kind == WR_ACTION_SOCKETS) {
        fds = (size_t)json_integer_value(json_object_get(request, "count"));
    } else if (kind == WR_ACTION_STATS) {
        json_object_set_new(json, "memoryBytes", json_integer(4096));
        json_object_set_new(json, "cpuUsec", json_integer(1000));
    } else if (kind == WR_ACTION_TEMPLATES) {
        on_templates(request, json);
    }
    send_json(kind | WR_ACTION_REPLY, 0, sequence, json, fds);
}

static void serve(void)
{
    static char message[WR_ACTION_MAX];

    for (;;) {
        int fds[WR_MESSAGE_MAX_FDS];
        size_t fd_count = 0;
        struct wr_action_header header;
        ssize_t n = wr_message_recv(sock, message, sizeof message, fds, &fd_count);

        if (n == -EINTR)
            continue;
        if (n < (ssize_t)sizeof header)
            _exit(0);
        memcpy(&header, message, sizeof header);
        json_t *request = json_loadb(message + sizeof header, header.length, 0, NULL);
        if (!request || header.magic != WR_ACTION_MAGIC)
            _exit(5);
        if (header.kind == WR_ACTION_CREATE)
            on_create(request, header.sequence);
        else if (header.kind == WR_ACTION_ASSIGN)
            on_assign(request, header.sequence);
        else if (header.kind == WR_ACTION_LIST)
            on_list(request, header.sequence);
        else if (header.kind == WR_ACTION_VOLUME_CREATE)
            on_volume_create(request, header.sequence);
        else if (header.kind == WR_ACTION_VOLUME_REMOVE)
            on_volume_remove(request, header.sequence);
        else if (header.kind == WR_ACTION_VOLUMES)
            on_volumes(request, header.sequence);
        else if (header.kind == WR_ACTION_PAUSE)
            on_pause(request, header.sequence);
        else if (header.kind == WR_ACTION_RESUME)
            on_resume(request, header.sequence);
        else if (header.kind == WR_ACTION_SNAPSHOT)
            on_snapshot(request, header.sequence);
        else if (header.kind == WR_ACTION_SNAPSHOT_REMOVE)
            on_snapshot_remove(request, header.sequence);
        else if (header.kind == WR_ACTION_SNAPSHOTS)
            on_snapshots(request, header.sequence);
        else if (header.kind == WR_ACTION_ROLLBACK)
            on_rollback(request, header.sequence);
        else
            answer(header.kind, header.sequence, request);
        json_decref(request);
        if (header.kind == WR_ACTION_SHUTDOWN)
            _exit(42);
    }
}

void fake_engine_pause_first(unsigned count)
{
    preset_paused = count;
}

pid_t fake_engine_start(int *ret_sock, unsigned preset)
{
    int pair[2];

    CHECK(wr_message_pair(pair) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(pair[0]);
        sock = pair[1];
        for (unsigned i = 0; i < preset; i++) {
            char id[WR_ID_LEN + 1] = "";
            memset(id, 'a' + (int)i, WR_ID_LEN);
            struct record *record = add(id, false);
            record->level = i < preset_paused ? 3 : 0;
            record->memory = true;
        }
        send_json(WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json_object(), 0);
        serve();
    }
    close(pair[1]);
    *ret_sock = pair[0];
    return pid;
}
