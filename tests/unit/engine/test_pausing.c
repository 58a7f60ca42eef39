/* PAUSE, RESUME and ROLLBACK through the engine's core; the fake driver saves to memory, and fails
 * as the environment of a sandbox says (engine/driver/fake_faults.h). */
#include <string.h>

#include "scene.h"
#include "test.h"

#define TOKEN TALK_TOKEN
#define A     SCENE_ID
#define B     TALK_ID("b")
#define S     TALK_ID("s")

static struct talk talk;

/* What PAUSE answered. */
static void check_paused(const char *level, bool memory, const char *reason)
{
    CHECK_STR(peer_str(&talk.reply, "level"), level);
    CHECK_INT(talk_true(&talk, "memory"), memory);
    CHECK(talk_number(&talk, "pausedMs") > 0);
    const json_t *why = json_object_get(talk.reply.json, "reason");
    CHECK_INT(why != NULL, reason != NULL);
    CHECK(!reason || strstr(json_string_value(why), reason));
}

TEST(frozen_and_back)
{
    talk = scene_start("");
    CHECK_INT(scene_pause(&talk, "frozen"), 0);
    check_paused("frozen", true, NULL);
    CHECK_INT(talk_number(&talk, "bytes"), 0);
    const long long paused_ms = talk_number(&talk, "pausedMs");
    CHECK_INT(scene_pause(&talk, "frozen"), 0);
    CHECK_INT(talk_number(&talk, "pausedMs"), paused_ms);
    const json_t *listed = talk_listed(&talk, A);
    CHECK_STR(json_string_value(json_object_get(listed, "level")), "frozen");
    CHECK_INT(json_integer_value(json_object_get(listed, "pausedMs")), paused_ms);
    CHECK(json_is_true(json_object_get(listed, "memory")));
    CHECK_INT(talk_call(&talk, WR_ACTION_STATS, "{\"id\":\"" A "\"}"), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_SOCKETS, "{\"id\":\"" A "\",\"count\":1}"),
              WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_EGRESS, "{\"id\":\"" A "\"}"), WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_ASSIGN, "{\"id\":\"" A "\"}"), WR_E_FAILED_PRECONDITION);
    CHECK_INT(scene_resume(&talk, ",\"sockets\":2,\"egress\":true"), 0);
    CHECK_STR(peer_str(&talk.reply, "level"), "running");
    CHECK(!talk_true(&talk, "booted"));
    CHECK_INT(talk.reply.fd_count, 4);
    CHECK_INT(talk_number(&talk, "egress"), 2);
    listed = talk_listed(&talk, A);
    CHECK_STR(json_string_value(json_object_get(listed, "level")), "running");
    CHECK(!json_object_get(listed, "pausedMs") && !json_object_get(listed, "memory"));
    /* Of one that runs: new sockets. */
    CHECK_INT(scene_resume(&talk, ",\"sockets\":1,\"memory\":false"), 0);
    CHECK_INT(talk.reply.fd_count, 1);
    CHECK(!talk_true(&talk, "booted"));
    CHECK_INT(talk_call(&talk, WR_ACTION_SOCKETS, "{\"id\":\"" A "\",\"count\":1}"), 0);
}

TEST(each_level_from_each)
{
    static const char *const levels[] = {"running", "frozen", "paged", "hibernated"};
    for (size_t from = 0; from < 4; from++) {
        for (size_t to = 1; to < 4; to++) {
            talk = scene_start("");
            if (from > 0)
                CHECK_INT(scene_pause(&talk, levels[from]), 0);
            CHECK_INT(scene_pause(&talk, levels[to]), 0);
            /* What is deeper stays so. */
            check_paused(levels[to > from ? to : from], true, NULL);
            scene_check_level(&talk, levels[to > from ? to : from]);
            CHECK_INT(scene_resume(&talk, ""), 0);
            scene_check_level(&talk, "running");
            CHECK_INT(talk_call(&talk, WR_ACTION_SHUTDOWN, "{}"), 0);
            CHECK_INT(talk_ended(&talk), 0);
        }
    }
}

TEST(hibernated_and_back)
{
    talk = scene_start("");
    CHECK_INT(scene_resume(&talk, ""), 0);
    const long long created_ms = talk_number(&talk, "createdMs");
    for (int round = 0; round < 3; round++) {
        CHECK_INT(scene_pause(&talk, "hibernated"), 0);
        check_paused("hibernated", true, NULL);
        CHECK(talk_number(&talk, "bytes") > (long long)WR_MIB);
        const json_t *listed = talk_listed(&talk, A);
        CHECK_STR(json_string_value(json_object_get(listed, "level")), "hibernated");
        CHECK(json_integer_value(json_object_get(listed, "bytes")) > (long long)WR_MIB);
        CHECK_INT(talk_call(&talk, WR_ACTION_STATS, "{\"id\":\"" A "\"}"),
                  WR_E_FAILED_PRECONDITION);
        CHECK_INT(scene_resume(&talk, ",\"sockets\":1"), 0);
        CHECK(!talk_true(&talk, "booted"));
        CHECK_INT(talk.reply.fd_count, 1);
        CHECK_INT(talk_number(&talk, "createdMs"), created_ms);
        CHECK_INT(talk_number(&talk, "memoryBytes"), WR_MEMORY_BYTES_DEFAULT);
    }
}

TEST(without_memory)
{
    talk = scene_start("");
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE,
                        "{\"id\":\"" A "\",\"level\":\"hibernated\",\"memory\":false}"),
              0);
    check_paused("hibernated", false, NULL);
    CHECK(talk_number(&talk, "bytes") < (long long)WR_MIB);
    CHECK_INT(scene_pause(&talk, "hibernated"), 0); /* what was saved stays as it is */
    check_paused("hibernated", false, NULL);
    CHECK_INT(scene_resume(&talk, ",\"envVars\":{\"A\":\"b\"},\"accessToken\":\"" TOKEN
                                  "\",\"controlToken\":\"" TOKEN "\""),
              0);
    CHECK(talk_true(&talk, "booted"));
}

TEST(the_memory_is_given_up)
{
    static const char *const levels[] = {"frozen", "paged", "hibernated"};
    talk = scene_start("");
    for (size_t i = 0; i < WR_ARRAY_SIZE(levels); i++) {
        CHECK_INT(scene_pause(&talk, levels[i]), 0);
        CHECK_INT(scene_resume(&talk, ",\"memory\":false,\"sockets\":1"), 0);
        CHECK(talk_true(&talk, "booted"));
        CHECK_INT(talk.reply.fd_count, 1);
        scene_check_level(&talk, "running");
    }
    /* Its processes ended, its start failed: that much is lost, the files are not. */
    CHECK_INT(scene_pause(&talk, "frozen"), 0);
    CHECK_INT(scene_resume(&talk, ",\"memory\":false,\"envVars\":{\"FAKE_RESTORE\":\"8\"}"),
              WR_E_RESOURCE_EXHAUSTED);
    CHECK(json_is_false(json_object_get(talk_listed(&talk, A), "memory")));
    scene_check_level(&talk, "hibernated");
    CHECK_INT(scene_resume(&talk, ""), 0);
    CHECK(talk_true(&talk, "booted"));
}

TEST(one_that_cannot_end_for_a_boot_stays_frozen)
{
    talk = scene_start("\"FAKE_HIBERNATE\":\"9\"");
    CHECK_INT(scene_pause(&talk, "frozen"), 0);
    CHECK_INT(scene_resume(&talk, ",\"memory\":false"), WR_E_FAILED_PRECONDITION);
    scene_check_level(&talk, "frozen");
    CHECK_INT(scene_resume(&talk, ""), 0);
    scene_check_level(&talk, "running");
}

TEST(what_cannot_be_dumped_stays_frozen)
{
    static const char *const faults[] = {"\"FAKE_HIBERNATE\":\"9\"", "\"FAKE_HIBERNATE\":\"-9\""};
    for (size_t i = 0; i < WR_ARRAY_SIZE(faults); i++) {
        talk = scene_start(faults[i]);
        CHECK_INT(scene_pause(&talk, "hibernated"), 0);
        check_paused("frozen", true, "FAKE_HIBERNATE");
        scene_check_level(&talk, "frozen");
        CHECK(json_object_get(talk_listed(&talk, A), "reason"));
        CHECK_INT(scene_pause(&talk, "frozen"), 0);
        check_paused("frozen", true, "FAKE_HIBERNATE");
        CHECK_INT(scene_pause(&talk, "paged"), 0);
        check_paused("paged", true, NULL);
        CHECK_INT(scene_pause(&talk, "hibernated"), 0);
        check_paused("paged", true, "FAKE_HIBERNATE");
        CHECK_INT(scene_resume(&talk, ""), 0);
        scene_check_level(&talk, "running");
        CHECK(!json_object_get(talk_listed(&talk, A), "reason"));
    }
}

TEST(without_swap_it_is_frozen)
{
    talk = scene_start("\"FAKE_PAGE_OUT\":\"9\"");
    for (int i = 0; i < 2; i++) {
        CHECK_INT(scene_pause(&talk, "paged"), 0);
        check_paused("frozen", true, "FAKE_PAGE_OUT");
        scene_check_level(&talk, "frozen");
    }
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    check_paused("hibernated", true, NULL);
}

TEST(a_failure_leaves_it_as_it_was)
{
    static const struct {
        const char *env, *level;
        int code;
    } rows[] = {
        {"\"FAKE_FREEZE\":\"14\"", "frozen", WR_E_UNAVAILABLE},
        {"\"FAKE_FREEZE\":\"14\"", "hibernated", WR_E_UNAVAILABLE},
        {"\"FAKE_PAGE_OUT\":\"13\"", "paged", WR_E_INTERNAL},
        {"\"FAKE_HIBERNATE\":\"8\"", "hibernated", WR_E_RESOURCE_EXHAUSTED},
        {"\"FAKE_HIBERNATE\":\"-8\"", "hibernated", WR_E_RESOURCE_EXHAUSTED},
        {"\"FAKE_HIBERNATE\":\"4\"", "hibernated", WR_E_DEADLINE_EXCEEDED},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        talk = scene_start(rows[i].env);
        CHECK_INT(scene_pause(&talk, rows[i].level), rows[i].code);
        scene_check_level(&talk, "running");
        CHECK_INT(talk_call(&talk, WR_ACTION_SOCKETS, "{\"id\":\"" A "\",\"count\":1}"), 0);
        if (i < 2)
            continue;
        CHECK_INT(scene_pause(&talk, "frozen"), 0);
        CHECK_INT(scene_pause(&talk, rows[i].level), rows[i].code);
        scene_check_level(&talk, "frozen");
        CHECK_INT(scene_resume(&talk, ""), 0);
    }
}

TEST(what_cannot_be_thawed_is_paused_still)
{
    talk = scene_start("\"FAKE_HIBERNATE\":\"8\",\"FAKE_THAW\":\"14\"");
    CHECK_INT(scene_resume(&talk, ""), 0); /* nothing is thawed that runs */
    CHECK_INT(scene_pause(&talk, "hibernated"), WR_E_RESOURCE_EXHAUSTED);
    scene_check_level(&talk, "frozen");
    CHECK_INT(scene_resume(&talk, ",\"sockets\":3"), WR_E_UNAVAILABLE);
    CHECK_INT(talk.reply.fd_count, 0);
    scene_check_level(&talk, "frozen");
}

TEST(a_resume_that_fails_leaves_it_paused)
{
    static const struct {
        const char *fault;
        int code;
    } rows[] = {{"15", WR_E_DATA_LOSS}, {"-15", WR_E_DATA_LOSS}, {"9", WR_E_FAILED_PRECONDITION}};
    talk = scene_start("");
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    const long long paused_ms = talk_number(&talk, "pausedMs");
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        CHECK_INT(talk_call(&talk, WR_ACTION_RESUME,
                            "{\"id\":\"" A "\",\"envVars\":{\"FAKE_RESTORE\":\"%s\"}}",
                            rows[i].fault),
                  rows[i].code);
        const json_t *listed = talk_listed(&talk, A);
        CHECK_STR(json_string_value(json_object_get(listed, "level")), "hibernated");
        CHECK_INT(json_integer_value(json_object_get(listed, "pausedMs")), paused_ms);
        CHECK(json_is_true(json_object_get(listed, "memory")));
    }
    CHECK_INT(scene_resume(&talk, ""), 0);
    CHECK(!talk_true(&talk, "booted"));
}

/* Nobody could reach it, so it is as it was before. */
TEST(a_resume_without_sockets_is_undone)
{
    talk = scene_start("\"FAKE_SOCKETS\":\"8\"");
    CHECK_INT(scene_resume(&talk, ",\"sockets\":1"), WR_E_RESOURCE_EXHAUSTED);
    scene_check_level(&talk, "running");
    CHECK_INT(scene_pause(&talk, "frozen"), 0);
    CHECK_INT(scene_resume(&talk, ",\"sockets\":1"), WR_E_RESOURCE_EXHAUSTED);
    scene_check_level(&talk, "frozen");
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    CHECK_INT(scene_resume(&talk, ",\"sockets\":1"), WR_E_RESOURCE_EXHAUSTED);
    unsigned rounds = 0;
    while (strcmp(talk_level(&talk, A), "hibernated") != 0)
        CHECK(++rounds < 10000);
    CHECK_INT(scene_resume(&talk, ""), 0);
    CHECK(!talk_true(&talk, "booted"));
}

static const char only_id[] = "{\"id\":\"" A "\"}";
static const char snapshot[] = "{\"id\":\"" A "\",\"snapshot\":\"" S "\"}";

TEST(a_blank_is_not_paused)
{
    talk = talk_start(NULL);
    CHECK_INT(talk_call(&talk, WR_ACTION_CREATE,
                        "{\"template\":\"base\",\"id\":\"" A "\",\"blank\":true,\"accessToken\":"
                        "\"" TOKEN "\",\"controlToken\":\"" TOKEN "\"}"),
              0);
    CHECK_INT(scene_pause(&talk, "frozen"), WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT, "%s", snapshot), WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "%s", snapshot), WR_E_FAILED_PRECONDITION);
    CHECK_INT(talk_call(&talk, WR_ACTION_ASSIGN, "%s", only_id), 0);
    CHECK_INT(scene_pause(&talk, "frozen"), 0);
}

TEST(bad_input)
{
    static const struct {
        unsigned kind;
        const char *json, *word;
    } rows[] = {
        {WR_ACTION_PAUSE, "{}", "id"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\"}", "level"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"running\"}", "running"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"asleep\"}", "asleep"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":2}", "level"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"frozen\",\"memory\":false}", "memory"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"hibernated\",\"memory\":1}", "memory"},
        {WR_ACTION_PAUSE, "{\"id\":\"" A "\",\"level\":\"frozen\",\"force\":true}", "force"},
        {WR_ACTION_RESUME, "{}", "id"},
        {WR_ACTION_RESUME, "{\"id\":7}", "id"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"sockets\":17}", "sockets"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"egress\":\"yes\"}", "egress"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"memory\":\"no\"}", "memory"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"snapshot\":\"" S "\"}", "snapshot"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"template\":\"base\"}", "template"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"envVars\":{\"A=\":\"b\"}}", "A="},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"accessToken\":\"abc\"}", "accessToken"},
        {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"controlToken\":\"\"}", "controlToken"},
        {WR_ACTION_ROLLBACK, "{\"id\":\"" A "\"}", "snapshot"},
        {WR_ACTION_ROLLBACK, "{\"snapshot\":\"" S "\"}", "id"},
        {WR_ACTION_ROLLBACK, "{\"id\":\"" A "\",\"snapshot\":\"" S "\",\"memory\":true}", "memory"},
        {WR_ACTION_ROLLBACK, "{\"id\":\"" A "\",\"snapshot\":\"" S "\",\"controlToken\":\"G\"}",
         "controlToken"},
    };
    talk = scene_start("");
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        CHECK_INT(talk_call(&talk, rows[i].kind, "%s", rows[i].json), WR_E_INVALID_ARGUMENT);
        if (!strstr(peer_str(&talk.reply, "message"), rows[i].word))
            wr_test_fail(__FILE__, __LINE__, "%s: %s", rows[i].json,
                         peer_str(&talk.reply, "message"));
    }
    scene_check_level(&talk, "running");
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" B "\",\"level\":\"frozen\"}"),
              WR_E_NOT_FOUND);
    CHECK_INT(talk_call(&talk, WR_ACTION_RESUME, "{\"id\":\"../../etc\"}"), WR_E_NOT_FOUND);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "{\"id\":\"" B "\",\"snapshot\":\"" S "\"}"),
              WR_E_NOT_FOUND);
}

TEST(rollback)
{
    static const char *const levels[] = {NULL, "frozen", "paged", "hibernated"};
    talk = scene_start("");
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT, "%s", snapshot), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(levels); i++) {
        if (levels[i])
            CHECK_INT(scene_pause(&talk, levels[i]), 0);
        CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK,
                            "{\"id\":\"" A "\",\"snapshot\":\"" S
                            "\",\"sockets\":1,\"egress\":true}"),
                  0);
        CHECK_STR(peer_str(&talk.reply, "id"), A);
        CHECK(!talk_true(&talk, "booted"));
        CHECK_INT(talk.reply.fd_count, 3);
        scene_check_level(&talk, "running");
    }
    /* To what is no snapshot: it goes on. */
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "{\"id\":\"" A "\",\"snapshot\":\"" B "\"}"),
              WR_E_NOT_FOUND);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "{\"id\":\"" A "\",\"snapshot\":\"" A "\"}"),
              WR_E_NOT_FOUND);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "{\"id\":\"" A "\",\"snapshot\":\"../x\"}"),
              WR_E_NOT_FOUND);
    scene_check_level(&talk, "running");
    /* No event told that it ended. */
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"" S "\"}"), 0);
}

TEST(rollback_to_files)
{
    talk = scene_start("");
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT,
                        "{\"id\":\"" A "\",\"snapshot\":\"" S "\",\"memory\":false}"),
              0);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK,
                        "{\"id\":\"" A "\",\"snapshot\":\"" S
                        "\",\"envVars\":{\"A\":\"b\"},\"accessToken\":\"" TOKEN
                        "\",\"controlToken\":\"" TOKEN "\"}"),
              0);
    CHECK(talk_true(&talk, "booted"));
}

/* The sandbox as it was is gone, so it is the snapshot that is kept. */
TEST(rollback_that_does_not_start)
{
    static const char *const faults[] = {"15", "-15"};
    talk = scene_start("");
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT, "%s", snapshot), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(faults); i++) {
        CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK,
                            "{\"id\":\"" A "\",\"snapshot\":\"" S
                            "\",\"envVars\":{\"FAKE_RESTORE\":\"%s\"}}",
                            faults[i]),
                  WR_E_DATA_LOSS);
        CHECK(strstr(peer_str(&talk.reply, "message"), "hibernated"));
        scene_check_level(&talk, "hibernated");
        CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"" S "\"}"),
                  WR_E_FAILED_PRECONDITION);
        CHECK_INT(scene_resume(&talk, ""), 0);
        CHECK(!talk_true(&talk, "booted"));
    }
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"" S "\"}"), 0);
}

TEST(rollback_that_cannot_begin)
{
    talk = scene_start("\"FAKE_REBASE\":\"9\"");
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT, "%s", snapshot), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "%s", snapshot), WR_E_FAILED_PRECONDITION);
    scene_check_level(&talk, "running");
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "%s", snapshot), WR_E_FAILED_PRECONDITION);
    scene_check_level(&talk, "hibernated");
    CHECK_INT(scene_resume(&talk, ""), 0);
}
