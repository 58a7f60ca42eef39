/* SNAPSHOT, SNAPSHOTS, SNAPSHOT_REMOVE, CHECKPOINT, and sandboxes from snapshots; the fake driver
 * saves to memory, and fails as the environment of a sandbox says (engine/driver/fake_faults.h). */
#include <string.h>

#include "talk.h"
#include "test.h"

#define A TALK_ID("a")
#define B TALK_ID("b")
#define C TALK_ID("c")
#define S TALK_ID("s")
#define T TALK_ID("t")

static struct talk talk;

static void create(const char *id, const char *more)
{
    CHECK_INT(
        talk_call(&talk, WR_ACTION_CREATE, "{\"template\":\"base\",\"id\":\"%s\"%s}", id, more), 0);
}

static int snapshot(const char *of, const char *id)
{
    return talk_call(&talk, WR_ACTION_SNAPSHOT, "{\"id\":\"%s\",\"snapshot\":\"%s\"}", of, id);
}

static int remove_snapshot(const char *id)
{
    return talk_call(&talk, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"%s\"}", id);
}

static int from(const char *id, const char *snapshot_id, const char *more)
{
    return talk_call(&talk, WR_ACTION_CREATE, "{\"snapshot\":\"%s\",\"id\":\"%s\"%s}", snapshot_id,
                     id, more);
}

TEST(of_each_level)
{
    static const char *const levels[] = {"running", "frozen", "paged"};
    talk = talk_start(NULL);
    create(A, ",\"pids\":99");
    for (size_t i = 0; i < WR_ARRAY_SIZE(levels); i++) {
        char name[WR_ID_LEN + 1] = "";
        memset(name, (char)('t' + i), WR_ID_LEN);
        if (i > 0)
            CHECK_INT(
                talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"%s\"}", levels[i]),
                0);
        CHECK_INT(snapshot(A, name), 0);
        CHECK_STR(peer_str(&talk.reply, "snapshot"), name);
        CHECK_STR(peer_str(&talk.reply, "id"), A);
        CHECK_STR(peer_str(&talk.reply, "template"), "base");
        CHECK_INT(talk_number(&talk, "pids"), 99);
        CHECK_INT(talk_number(&talk, "memoryBytes"), WR_MEMORY_BYTES_DEFAULT);
        CHECK(talk_true(&talk, "memory"));
        CHECK(talk_number(&talk, "bytes") > (long long)WR_MIB);
        CHECK(talk_number(&talk, "createdMs") > 0 && talk_number(&talk, "frozenUs") > 0);
        CHECK_STR(talk_level(&talk, A), levels[i]); /* it goes on as it was */
    }
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"hibernated\"}"), 0);
    CHECK_INT(snapshot(A, S), WR_E_FAILED_PRECONDITION);
}

TEST(that_fails)
{
    static const struct {
        const char *fault;
        int code;
    } rows[] = {{"9", WR_E_FAILED_PRECONDITION},
                {"-9", WR_E_FAILED_PRECONDITION},
                {"8", WR_E_RESOURCE_EXHAUSTED}};
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        char env[80];
        talk = talk_start(NULL);
        snprintf(env, sizeof(env), ",\"envVars\":{\"FAKE_SNAPSHOT\":\"%s\"}", rows[i].fault);
        create(A, env);
        CHECK_INT(snapshot(A, S), rows[i].code);
        CHECK_STR(talk_level(&talk, A), "running");
        CHECK_INT(remove_snapshot(S), WR_E_NOT_FOUND);
    }
}

/* What is saved of sandboxes and of snapshots is in one place. */
TEST(an_id_has_one_owner)
{
    talk = talk_start(NULL);
    create(A, "");
    create(B, "");
    CHECK_INT(snapshot(A, B), WR_E_ALREADY_EXISTS);
    CHECK_INT(snapshot(A, A), WR_E_ALREADY_EXISTS);
    CHECK_INT(snapshot(A, S), 0);
    CHECK_INT(snapshot(A, S), WR_E_ALREADY_EXISTS);
    CHECK_INT(snapshot(B, S), WR_E_ALREADY_EXISTS);
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE, "{\"template\":\"base\",\"id\":\"" S "\"}"),
              WR_E_ALREADY_EXISTS);
    /* A hibernated sandbox is no snapshot. */
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"hibernated\"}"), 0);
    CHECK_INT(remove_snapshot(A), WR_E_NOT_FOUND);
    CHECK_INT(from(C, A, ""), WR_E_NOT_FOUND);
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOTS, "{}"), 0);
    CHECK_INT(json_array_size(json_object_get(talk.reply.json, "snapshots")), 1);
    CHECK_INT(talk_call(&talk, WR_ACTION_RESUME, "{\"id\":\"" A "\"}"), 0);
    CHECK_INT(remove_snapshot(S), 0);
    CHECK_INT(remove_snapshot(S), WR_E_NOT_FOUND);
    create(S, "");
}

TEST(an_id_that_is_being_made)
{
    talk = talk_start(NULL);
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE, "{\"template\":\"held\",\"id\":\"" A "\"}"), 0);
    create(B, "");
    talk_hold(&talk);
    peer_send(talk.sock, WR_ACTION_SNAPSHOT, 1, "{\"id\":\"" A "\",\"snapshot\":\"" S "\"}");
    CHECK_INT(snapshot(B, S), WR_E_ALREADY_EXISTS);
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE, "{\"template\":\"base\",\"id\":\"" S "\"}"),
              WR_E_ALREADY_EXISTS);
    CHECK_INT(remove_snapshot(S), WR_E_FAILED_PRECONDITION);
    talk_hold(&talk);
    CHECK_INT(talk_answer(&talk, WR_ACTION_SNAPSHOT, 1), 0);
    talk_hold(&talk);
    /* And one that is being used. */
    peer_send(talk.sock, WR_ACTION_CREATE, 2, "{\"snapshot\":\"" S "\",\"id\":\"" C "\"}");
    CHECK_INT(remove_snapshot(S), WR_E_FAILED_PRECONDITION);
    CHECK_STR(talk_level(&talk, C), "");
    talk_hold(&talk);
    CHECK_INT(talk_answer(&talk, WR_ACTION_CREATE, 2), 0);
    CHECK_INT(remove_snapshot(S), 0);
    CHECK_STR(talk_level(&talk, C), "running");
}

TEST(sandboxes_from_one)
{
    talk = talk_start(NULL);
    create(A, ",\"pids\":99,\"cpuMillis\":700");
    CHECK_INT(snapshot(A, S), 0);
    CHECK_INT(from(B, S, ",\"cpuMillis\":500,\"sockets\":2,\"egress\":true"), 0);
    CHECK_STR(peer_str(&talk.reply, "id"), B);
    CHECK_STR(peer_str(&talk.reply, "template"), "base");
    CHECK_STR(peer_str(&talk.reply, "level"), "running");
    CHECK_INT(talk_number(&talk, "pids"), 99);
    CHECK_INT(talk_number(&talk, "cpuMillis"), 500);
    CHECK(!talk_true(&talk, "booted"));
    CHECK_INT(talk.reply.fd_count, 4);
    /* Another one under an id of the engine's. */
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE, "{\"snapshot\":\"" S "\"}"), 0);
    CHECK(wr_id_valid(peer_str(&talk.reply, "id")));
    /* It has nothing to do with the snapshot any more. */
    CHECK_INT(remove_snapshot(S), 0);
    CHECK_INT(snapshot(B, T), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" B "\",\"level\":\"hibernated\"}"), 0);
    CHECK_INT(from(C, S, ""), WR_E_NOT_FOUND);
    CHECK_INT(from(C, T, ",\"pids\":1"), WR_E_INVALID_ARGUMENT);
    CHECK_INT(from(C, T, ",\"envVars\":{\"FAKE_RESTORE\":\"15\"}"), WR_E_DATA_LOSS);
    CHECK_INT(from(C, T, ",\"envVars\":{\"FAKE_RESTORE\":\"-9\"}"), WR_E_FAILED_PRECONDITION);
    CHECK_INT(from(C, T, ""), 0);
}

TEST(files_only)
{
    talk = talk_start(NULL);
    create(A, "");
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT,
                        "{\"id\":\"" A "\",\"snapshot\":\"" S "\",\"memory\":false}"),
              0);
    CHECK(!talk_true(&talk, "memory"));
    CHECK(talk_number(&talk, "bytes") < (long long)WR_MIB);
    CHECK_INT(from(B, S, ""), 0);
    CHECK(talk_true(&talk, "booted"));
}

TEST(kill_of_one_that_comes_from_a_snapshot)
{
    talk = talk_start(NULL);
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE, "{\"template\":\"held\",\"id\":\"" A "\"}"), 0);
    CHECK_INT(snapshot(A, S), 0);
    talk_hold(&talk);
    peer_send(talk.sock, WR_ACTION_CREATE, 1, "{\"snapshot\":\"" S "\",\"id\":\"" B "\"}");
    peer_send(talk.sock, WR_ACTION_KILL, 2, "{\"id\":\"" B "\"}");
    talk_hold(&talk);
    CHECK_INT(talk_answer(&talk, WR_ACTION_CREATE, 1), WR_E_ABORTED);
    CHECK_INT(talk_answer(&talk, WR_ACTION_KILL, 2), 0);
    CHECK_INT(remove_snapshot(S), 0);
}

#define MANY (2 * WR_ACTION_LIST_PAGE + 1)

TEST(list_of_many)
{
    char last[WR_ID_LEN + 1] = "";
    unsigned seen = 0;
    talk = talk_start(NULL);
    create(A, "");
    for (unsigned i = 0; i < MANY; i++) {
        char id[WR_ID_LEN + 1];
        snprintf(id, sizeof(id), "%020u", i * 7919 % 100000);
        CHECK_INT(snapshot(A, id), 0);
    }
    for (bool more = true; more;) {
        size_t i;
        json_t *entry;
        CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOTS, "{\"after\":\"%s\"}", last), 0);
        more = talk_true(&talk, "more");
        json_array_foreach(json_object_get(talk.reply.json, "snapshots"), i, entry) {
            const char *id = json_string_value(json_object_get(entry, "snapshot"));
            CHECK(strcmp(id, last) > 0);
            CHECK_STR(json_string_value(json_object_get(entry, "id")), A);
            memcpy(last, id, sizeof(last));
            seen++;
        }
        CHECK(i <= WR_ACTION_LIST_PAGE);
    }
    CHECK_INT(seen, MANY);
}

TEST(bad_input)
{
    static const struct {
        unsigned kind;
        const char *json, *word;
    } rows[] = {
        {WR_ACTION_SNAPSHOT, "{\"snapshot\":\"" S "\"}", "id"},
        {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\"}", "snapshot"},
        {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\"\"}", "id"},
        {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\"../../x\"}", "../../x"},
        {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\".new-" A "\"}", ".new-"},
        {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\"" S "\",\"memory\":0}", "memory"},
        {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\"" S "\",\"name\":\"x\"}", "name"},
        {WR_ACTION_SNAPSHOT_REMOVE, "{}", "snapshot"},
        {WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":1}", "snapshot"},
        {WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"" S "\",\"force\":true}", "force"},
        {WR_ACTION_SNAPSHOTS, "{\"after\":1}", "after"},
        {WR_ACTION_SNAPSHOTS, "{\"before\":\"\"}", "before"},
        {WR_ACTION_CHECKPOINT, "{\"x\":1}", "x"},
        {WR_ACTION_CREATE, "{\"snapshot\":\"x\"}", "id"},
        {WR_ACTION_CREATE, "{\"snapshot\":\"" S "\",\"template\":\"base\"}", "template"},
        {WR_ACTION_CREATE, "{\"snapshot\":\"" S "\",\"volumes\":[]}", "volumes"},
        {WR_ACTION_CREATE, "{\"snapshot\":\"" S "\",\"content\":true}", "volumes"},
        {WR_ACTION_CREATE, "{\"snapshot\":\"" S "\",\"blank\":true}", "blank"},
    };
    talk = talk_start(NULL);
    create(A, "");
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        CHECK_INT(talk_call(&talk, rows[i].kind, "%s", rows[i].json), WR_E_INVALID_ARGUMENT);
        if (!strstr(peer_str(&talk.reply, "message"), rows[i].word))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].json,
                         peer_str(&talk.reply, "message"));
    }
    CHECK_INT(snapshot(B, S), WR_E_NOT_FOUND);
    CHECK_INT(remove_snapshot("../../etc"), WR_E_NOT_FOUND);
    CHECK_INT(from(B, S, ""), WR_E_NOT_FOUND);
}

TEST(checkpoint)
{
    talk = talk_start(NULL);
    CHECK_INT(talk_call(&talk, WR_ACTION_CHECKPOINT, "{}"), 0);
    CHECK_STR(peer_str(&talk.reply, "checkpoint"), "works");
    CHECK_STR(peer_str(&talk.reply, "criu"), "fake");
    CHECK(!json_object_get(talk.reply.json, "reason"));
}

#define VOLUME "11111111-2222-4333-8444-555555555555"

TEST(a_volume_of_what_is_hibernated_is_in_use)
{
    talk = talk_start(NULL);
    CHECK_INT(talk_call(&talk, WR_ACTION_VOLUME_CREATE,
                        "{\"volume\":\"" VOLUME "\",\"sizeBytes\":16777216}"),
              0);
    create(A, ",\"volumes\":[{\"volume\":\"" VOLUME "\",\"path\":\"/data\"}]");
    CHECK_INT(snapshot(A, S), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"hibernated\"}"), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" VOLUME "\"}"),
              WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "{\"id\":\"" A "\"}"), 0);
    CHECK_INT(from(B, S, ""), 0); /* with its volume */
    CHECK_INT(talk_call(&talk, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" VOLUME "\"}"),
              WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "{\"id\":\"" B "\"}"), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_VOLUME_REMOVE, "{\"volume\":\"" VOLUME "\"}"), 0);
    CHECK_INT(from(B, S, ""), WR_E_NOT_FOUND);
}
