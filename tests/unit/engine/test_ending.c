/* KILL, SHUTDOWN, and what happens to a sandbox while something else is done with it; the fake
 * driver saves to memory, and fails as the environment of a sandbox says
 * (engine/driver/fake_faults.h). */
#include <string.h>

#include "scene.h"
#include "test.h"

#define A SCENE_ID
#define B TALK_ID("b")
#define S TALK_ID("s")

static struct talk talk;

/* Sends `json` and does not wait for the answer. */
static void send_only(unsigned kind, uint32_t sequence, const char *json)
{
    peer_send(talk.sock, kind, sequence, json);
}

static const char hibernate[] = "{\"id\":\"" A "\",\"level\":\"hibernated\"}";
static const char only_id[] = "{\"id\":\"" A "\"}";
static const char snapshot[] = "{\"id\":\"" A "\",\"snapshot\":\"" S "\"}";

/* One that is in the middle of something; `level`: what LIST says. */
static const struct busy {
    unsigned kind;
    const char *json, *before, *level;
} busy[] = {
    {WR_ACTION_PAUSE, hibernate, NULL, "running"},
    {WR_ACTION_PAUSE, hibernate, "frozen", "frozen"},
    {WR_ACTION_RESUME, only_id, "hibernated", "hibernated"},
    {WR_ACTION_RESUME, "{\"id\":\"" A "\",\"memory\":false}", "frozen", "frozen"},
    {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\"" B "\"}", NULL, "running"},
    {WR_ACTION_SNAPSHOT, "{\"id\":\"" A "\",\"snapshot\":\"" B "\"}", "paged", "paged"},
    {WR_ACTION_ROLLBACK, snapshot, NULL, "hibernated"},
    {WR_ACTION_ROLLBACK, snapshot, "hibernated", "hibernated"},
};

/* What is begun is not over before talk_hold() is called; there is a snapshot already. */
static void start_held(const struct busy *b)
{
    talk = talk_start(NULL);
    scene_create(&talk, A, "held", "");
    CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT, "%s", snapshot), 0);
    if (b->before)
        CHECK_INT(scene_pause(&talk, b->before), 0);
    talk_hold(&talk);
    send_only(b->kind, 1, b->json);
}

TEST(one_operation_at_a_time)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(busy); i++) {
        start_held(&busy[i]);
        scene_check_level(&talk, busy[i].level);
        CHECK_INT(scene_pause(&talk, "frozen"), WR_E_UNAVAILABLE);
        CHECK(strstr(peer_str(&talk.reply, "message"), "; try again in a moment"));
        CHECK_INT(scene_resume(&talk, ""), WR_E_UNAVAILABLE);
        CHECK_INT(talk_call(&talk, WR_ACTION_SNAPSHOT,
                            "{\"id\":\"" A "\",\"snapshot\":\"" TALK_ID("c") "\"}"),
                  WR_E_UNAVAILABLE);
        CHECK_INT(talk_call(&talk, WR_ACTION_ROLLBACK, "%s", snapshot), WR_E_UNAVAILABLE);
        /* One that is only copied serves on. */
        CHECK_INT(talk_call(&talk, WR_ACTION_SOCKETS, "{\"id\":\"" A "\",\"count\":1}"),
                  busy[i].kind == WR_ACTION_SNAPSHOT ? 0 : WR_E_UNAVAILABLE);
        talk_hold(&talk);
        CHECK_INT(talk_answer(&talk, busy[i].kind, 1), 0);
    }
}

TEST(kill_during_each_operation)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(busy); i++) {
        start_held(&busy[i]);
        send_only(WR_ACTION_KILL, 2, only_id);
        talk_hold(&talk);
        /* A snapshot has an id of its own and stays. */
        CHECK_INT(talk_answer(&talk, busy[i].kind, 1),
                  busy[i].kind == WR_ACTION_SNAPSHOT ? 0 : WR_E_ABORTED);
        peer_recv(talk.sock, &talk.reply); /* and no event */
        CHECK_INT(talk.reply.header.kind, WR_ACTION_KILL | WR_ACTION_REPLY);
        CHECK_INT(talk.reply.header.flags, 0);
        scene_check_level(&talk, "");
        CHECK_INT(scene_resume(&talk, ""), WR_E_NOT_FOUND);
        CHECK_INT(talk_call(&talk, WR_ACTION_SHUTDOWN, "{}"), 0);
    }
}

TEST(kill_of_what_fails_meanwhile)
{
    talk = talk_start(NULL);
    scene_create(&talk, A, "held", "\"FAKE_HIBERNATE\":\"9\"");
    talk_hold(&talk);
    send_only(WR_ACTION_PAUSE, 1, hibernate);
    send_only(WR_ACTION_KILL, 2, only_id);
    talk_hold(&talk);
    CHECK_INT(talk_answer(&talk, WR_ACTION_PAUSE, 1), WR_E_ABORTED);
    CHECK_INT(talk_answer(&talk, WR_ACTION_KILL, 2), 0);
    scene_create(&talk, A, "held", "");
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    talk_hold(&talk);
    send_only(WR_ACTION_RESUME, 1, "{\"id\":\"" A "\",\"envVars\":{\"FAKE_RESTORE\":\"15\"}}");
    send_only(WR_ACTION_KILL, 2, only_id);
    talk_hold(&talk);
    CHECK_INT(talk_answer(&talk, WR_ACTION_RESUME, 1), WR_E_DATA_LOSS);
    CHECK_INT(talk_answer(&talk, WR_ACTION_KILL, 2), 0);
    scene_check_level(&talk, "");
}

TEST(kill_of_each_level)
{
    static const char *const levels[] = {"frozen", "paged", "hibernated"};
    talk = talk_start(NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(levels); i++) {
        scene_create(&talk, A, "base", "");
        CHECK_INT(scene_pause(&talk, levels[i]), 0);
        send_only(WR_ACTION_KILL, 1, only_id);
        peer_recv(talk.sock, &talk.reply); /* no event */
        CHECK_INT(talk.reply.header.sequence, 1);
        CHECK_INT(talk.reply.header.flags, 0);
        CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "%s", only_id), WR_E_NOT_FOUND);
    }
    /* What was saved cannot be removed: it is not forgotten. */
    scene_create(&talk, A, "base", "\"FAKE_REMOVE\":\"13\"");
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "%s", only_id), WR_E_INTERNAL);
        scene_check_level(&talk, "hibernated");
    }
    CHECK_INT(scene_resume(&talk, ""), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_KILL, "%s", only_id), 0);
}

TEST(one_that_ends_meanwhile)
{
    static const struct {
        const char *env, *json, *reason;
        unsigned kind;
    } rows[] = {
        {"\"FAKE_EXIT\":\"FAKE_HIBERNATE\"", hibernate, "oom", WR_ACTION_PAUSE},
        {"\"FAKE_EXIT\":\"FAKE_SNAPSHOT\"", snapshot, "exited", WR_ACTION_SNAPSHOT},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        talk = scene_start(rows[i].env);
        send_only(rows[i].kind, 1, rows[i].json);
        CHECK_INT(talk_answer(&talk, rows[i].kind, 1), WR_E_ABORTED);
        peer_recv(talk.sock, &talk.reply);
        CHECK_INT(talk.reply.header.kind, WR_EVENT_GONE | WR_ACTION_EVENT);
        CHECK_STR(peer_str(&talk.reply, "reason"), rows[i].reason);
        scene_check_level(&talk, "");
    }
}

TEST(shutdown_leaves_what_is_hibernated)
{
    talk = scene_start("");
    scene_create(&talk, B, "base", "");
    CHECK_INT(scene_pause(&talk, "hibernated"), 0);
    CHECK_INT(talk_call(&talk, WR_ACTION_PAUSE, "{\"id\":\"" B "\",\"level\":\"frozen\"}"), 0);
    send_only(WR_ACTION_SHUTDOWN, 1, "{}");
    peer_recv(talk.sock, &talk.reply);
    CHECK_INT(talk.reply.header.kind, WR_EVENT_GONE | WR_ACTION_EVENT);
    CHECK_STR(peer_str(&talk.reply, "id"), B); /* and no event of the other one */
    peer_recv(talk.sock, &talk.reply);
    CHECK_INT(talk.reply.header.kind, WR_ACTION_SHUTDOWN | WR_ACTION_REPLY);
    CHECK_INT(talk_ended(&talk), 0);
}

/* `events`: how often a sandbox is said to be gone. */
static void check_shutdown(int outcome, unsigned kind, unsigned events)
{
    send_only(WR_ACTION_SHUTDOWN, 2, "{}");
    CHECK_INT(scene_pause(&talk, "frozen"), WR_E_UNAVAILABLE);
    CHECK_INT(scene_resume(&talk, ""), WR_E_UNAVAILABLE);
    talk_hold(&talk);
    CHECK_INT(talk_answer(&talk, kind, 1), outcome);
    for (;;) {
        peer_recv(talk.sock, &talk.reply);
        if (talk.reply.header.kind == (WR_ACTION_SHUTDOWN | WR_ACTION_REPLY))
            break;
        CHECK_INT(talk.reply.header.kind, WR_EVENT_GONE | WR_ACTION_EVENT);
        CHECK(events-- > 0);
    }
    CHECK_INT(events, 0);
    CHECK_INT(talk_ended(&talk), 0);
}

TEST(shutdown_waits_for_each_operation)
{
    static const struct {
        int outcome;
        unsigned events;
    } expected[] = {
        {0, 0},            /* hibernated, as was asked for */
        {0, 0},            /* the same */
        {WR_E_ABORTED, 0}, /* hibernated again */
        {WR_E_ABORTED, 0}, /* stays hibernated */
        {0, 1},            /* saved, and ended */
        {0, 1},            /* the same */
        {WR_E_ABORTED, 0}, /* hibernated as the snapshot has it */
        {WR_E_ABORTED, 0}, /* the same */
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(busy); i++) {
        start_held(&busy[i]);
        check_shutdown(expected[i].outcome, busy[i].kind, expected[i].events);
    }
}
