/* Pausing and resuming through the API: the server, a fake engine, and an agent. */
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "pausing_scene.h"
#include "server/store/store.h"
#include "test.h"

/* ---- pause, resume, connect ---- */

TEST(a_pause_ends_what_it_had_and_connect_brings_it_back)
{
    struct scene s = begin("base", "");
    char value[128];
    CHECK_INT(visit_agent(&s), 200);
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_STR(header(&s.f, "X-Warren-Pause-Level", value), "hibernated");
    CHECK_STR(header(&s.f, "X-Warren-Pause-Reason", value), "");
    check_state(&s, "paused", "hibernated");
    CHECK_INT(s.agent->health, 1);
    CHECK_INT(visit_agent(&s), 502);
    CHECK(strstr(s.f.answer, "The sandbox was not found") != NULL);

    CHECK_INT(post(&s, "pause", "{\"memory\":true}"), 409);
    CHECK_INT(post(&s, "timeout", "{\"timeout\":5}"), 409);
    CHECK_INT(post(&s, "refreshes", NULL), 404);

    CHECK_INT(post(&s, "connect", "{\"timeout\":400}"), 201);
    CHECK_INT(s.agent->inits, 1);
    CHECK(strstr(s.agent->body, "\"event\":\"resumed\"") && strlen(s.agent->control) == 64);
    check_state(&s, "running", NULL);
    CHECK(left_s(&s) >= 399 && left_s(&s) <= 400);
    CHECK_INT(visit_agent(&s), 200);
    CHECK_INT(post(&s, "connect", "{\"timeout\":100}"), 200);
    CHECK_INT(post(&s, "resume", NULL), 409);
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(post(&s, "resume", NULL), 201);
    CHECK_INT(left_s(&s), 15);
    finish(&s);
}

TEST(details_of_a_paused_one)
{
    struct scene s = begin("base", ",\"metadata\":{\"k\":\"v\"}");
    CHECK_INT(post(&s, "pause", "{\"memory\":true}"), 204);
    json_t *json = detail(&s);
    const json_t *pause = json_object_get(json, "pause");
    CHECK_STR(text_of(json, "pauseMode"), "full");
    CHECK(!json_object_get(json, "envdUnresponsiveAtPause"));
    CHECK(json_is_true(json_object_get(pause, "memory")) && !text_of(pause, "reason"));
    CHECK_INT(json_integer_value(json_object_get(pause, "bytes")), 4096);
    CHECK_STR(text_of(pause, "pausedAt"), text_of(json, "endAt"));
    CHECK_STR(text_of(json, "endAt"), "2023-11-14T22:21:40.000Z");
    CHECK_STR(text_of(json_object_get(json, "metadata"), "k"), "v");
    json_decref(json);
    finish(&s);
}

static size_t listed(struct scene *s, const char *query, const char *total)
{
    char target[96], value[128];
    json_t *json = NULL;
    snprintf(target, sizeof target, "/v2/sandboxes%s", query);
    CHECK_INT(api(&s->f, 0, "GET", target, NULL, &json), 200);
    CHECK_STR(header(&s->f, "X-Total-Running", value), total);
    size_t n = json_array_size(json);
    json_decref(json);
    return n;
}

TEST(lists_by_state)
{
    struct scene s = begin("base", "");
    json_t *json = NULL;
    make(&s, "base", "");
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(listed(&s, "", "1"), 2);
    CHECK_INT(listed(&s, "?state=paused", "1"), 1);
    CHECK_INT(listed(&s, "?state=running", "1"), 1);
    CHECK_INT(listed(&s, "?state=running,paused", "1"), 2);
    CHECK_INT(api(&s.f, 0, "GET", "/sandboxes", NULL, &json), 200);
    CHECK_INT(json_array_size(json), 1);
    json_decref(json);
    finish(&s);
}

TEST(levels_on_request)
{
    struct scene s = begin("base", "");
    char value[128];
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 204);
    CHECK_STR(header(&s.f, "X-Warren-Pause-Level", value), "frozen");
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 409);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    /* What stayed in memory is the same as before: nothing to tell. */
    CHECK_INT(s.agent->inits, 0);
    CHECK_INT(post(&s, "pause", "{\"level\":\"paged\"}"), 204);
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_STR(header(&s.f, "X-Warren-Pause-Level", value), "hibernated");
    check_state(&s, "paused", "hibernated");
    CHECK_INT(post(&s, "pause", "{\"level\":\"asleep\"}"), 400);
    CHECK_INT(post(&s, "pause", "{\"level\":\"running\"}"), 400);
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\",\"memory\":false}"), 400);
    CHECK_INT(post(&s, "pause", "{\"depth\":1}"), 400);
    finish(&s);
}

TEST(what_cannot_be_saved_stays_frozen_and_says_why)
{
    struct scene s = begin("undumpable", "");
    char value[128];
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_STR(header(&s.f, "X-Warren-Pause-Level", value), "frozen");
    CHECK_STR(header(&s.f, "X-Warren-Pause-Reason", value), "it uses io_uring");
    json_t *json = detail(&s);
    CHECK_STR(text_of(json_object_get(json, "pause"), "reason"), "it uses io_uring");
    json_decref(json);
    CHECK_INT(post(&s, "pause", NULL), 409);
    CHECK_INT(post(&s, "pause", "{\"level\":\"hibernated\"}"), 204);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    check_state(&s, "running", NULL);
    finish(&s);
}

TEST(a_pause_that_fails_changes_nothing)
{
    struct scene s = begin("full", "");
    CHECK_INT(post(&s, "pause", NULL), 507);
    CHECK(strstr(s.f.answer, "the disk is full") != NULL);
    check_state(&s, "running", NULL);
    CHECK(left_s(&s) > 500);
    CHECK_INT(visit_agent(&s), 200);
    finish(&s);
}

/* 429 would be about a limit of the team. */
TEST(without_room_it_stays_paused)
{
    struct scene s = begin("crowded", ",\"autoPause\":true,\"autoResume\":{\"enabled\":true}");
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 507);
    CHECK(strstr(s.f.answer, "the volume is full") != NULL);
    CHECK_INT(visit(&s, 8080, "/", ""), 507);
    check_state(&s, "paused", "hibernated");
    finish(&s);
}

TEST(an_image_that_is_refused_leaves_it_paused)
{
    struct scene s = begin("damaged", "");
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 500);
    check_state(&s, "paused", "hibernated");
    CHECK_INT(post(&s, "connect", "{\"timeout\":60,\"memory\":false}"), 201);
    check_state(&s, "running", NULL);
    finish(&s);
}

TEST(without_memory_it_boots_with_what_it_was_created_with)
{
    struct scene s = begin("secure", ",\"envVars\":{\"K\":\"v\"}");
    CHECK_INT(post(&s, "pause", "{\"memory\":false}"), 204);
    json_t *json = detail(&s);
    CHECK_STR(text_of(json, "pauseMode"), "filesystem");
    CHECK(!strstr(s.f.answer, "\"K\""));
    json_decref(json);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    CHECK_INT(s.agent->inits, 0);
    CHECK_INT(visit_agent(&s), 200);
    finish(&s);
}

/* The engine says READY instead of answering: what it then has counts. */
TEST(an_engine_that_begins_anew_loses_nothing)
{
    struct scene s = begin("frail", "");
    CHECK_INT(post(&s, "pause", NULL), 204);
    check_state(&s, "paused", "hibernated");
    int status = post(&s, "connect", "{\"timeout\":60}");
    CHECK(status == 201 || status == 503);
    check_state(&s, "running", NULL);
    CHECK_INT(visit_agent(&s), 200);
    finish(&s);
}

/* ---- the agent ---- */

TEST(an_agent_that_does_not_answer)
{
    struct scene s = begin("base", "");
    s.agent->silent = 1;
    CHECK_INT(post(&s, "pause", "{\"requireHealthyGuest\":true}"), 503);
    check_state(&s, "running", NULL);
    CHECK_INT(post(&s, "pause", "{\"memory\":false}"), 503);
    check_state(&s, "running", NULL);
    CHECK_INT(post(&s, "pause", NULL), 204);
    json_t *json = detail(&s);
    CHECK(json_is_true(json_object_get(json, "envdUnresponsiveAtPause")));
    json_decref(json);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 409);
    CHECK(strstr(s.f.answer, "sandbox_snapshot_guest_agent_unresponsive") != NULL);
    s.agent->silent = 0;
    CHECK_INT(post(&s, "connect", "{\"timeout\":60,\"memory\":false}"), 201);
    json = detail(&s);
    CHECK(!json_object_get(json, "envdUnresponsiveAtPause"));
    json_decref(json);
    finish(&s);
}

/* It has its memory, and lives on. */
TEST(an_agent_that_takes_no_news_keeps_nobody_away)
{
    struct scene s = begin("base", "");
    s.agent->init_status = 500;
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    CHECK_INT(s.agent->inits, 1);
    check_state(&s, "running", NULL);
    finish(&s);
}

/* ---- several at a time ---- */

/* A request in a process of its own, whose exit status is that of the answer minus 200. */
static pid_t post_later(struct scene *s, const char *what, const char *body)
{
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0)
        _exit(post(s, what, body) - 200);
    return pid;
}

/* A snapshot of a first sandbox, and a second one that is rolled back to it. */
static int roll_back_to_another(struct scene *s)
{
    json_t *snapshot = NULL;
    char target[64], body[160];
    snprintf(target, sizeof target, "/sandboxes/%s/snapshots", s->id);
    CHECK_INT(api(&s->f, 0, "POST", target, "{}", &snapshot), 201);
    snprintf(body, sizeof body, "{\"snapshotID\":\"%s\"}", text_of(snapshot, "snapshotID"));
    json_decref(snapshot);
    make(s, "base", "");
    return post(s, "rollback", body);
}

TEST(a_rollback_to_another_sandbox_tells_the_agent_who_it_is)
{
    struct scene s = begin("base", "");
    CHECK_INT(roll_back_to_another(&s), 200);
    CHECK_INT(s.agent->inits, 1);
    CHECK(strstr(s.agent->body, "\"forked\"") && strstr(s.agent->body, s.token));
    check_state(&s, "running", NULL);
    finish(&s);
}

TEST(who_does_not_know_who_it_is_does_not_run)
{
    struct scene s = begin("base", "");
    s.agent->init_status = 500;
    CHECK_INT(roll_back_to_another(&s), 503);
    CHECK(strstr(s.f.answer, "roll it back again, or resume it"));
    check_state(&s, "paused", "hibernated");
    json_t *json = detail(&s);
    CHECK(json_is_false(json_object_get(json_object_get(json, "pause"), "memory")));
    json_decref(json);
    CHECK_INT(visit_agent(&s), 502);
    s.agent->init_status = 0;
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201); /* a boot, with its own tokens */
    check_state(&s, "running", NULL);
    finish(&s);
}

TEST(who_asks_for_the_same_joins)
{
    struct scene s = begin("lasting", "");
    pid_t pids[5];
    for (size_t i = 0; i < WR_ARRAY_SIZE(pids); i++)
        pids[i] = post_later(&s, "pause", NULL);
    for (size_t i = 0; i < WR_ARRAY_SIZE(pids); i++)
        CHECK_INT(exit_of(pids[i]), 4);
    check_state(&s, "paused", "hibernated");
    for (size_t i = 0; i < WR_ARRAY_SIZE(pids); i++)
        pids[i] = post_later(&s, "connect", "{\"timeout\":60}");
    for (size_t i = 0; i < WR_ARRAY_SIZE(pids); i++) {
        int status = exit_of(pids[i]);
        CHECK(status == 0 || status == 1);
    }
    check_state(&s, "running", NULL);
    CHECK_INT(s.agent->inits, 1);
    finish(&s);
}

TEST(who_asks_for_the_opposite_waits)
{
    struct scene s = begin("lasting", "");
    pid_t pause = post_later(&s, "pause", NULL);
    uint64_t end_ms = wr_mono_ms() + 10000;
    while (s.agent->health == 0 && wr_mono_ms() < end_ms)
        (void)poll(NULL, 0, 5);
    /* Neither gone nor twice, and its ports are about to close. */
    CHECK_INT(listed(&s, "", "1"), 1);
    CHECK_INT(visit_agent(&s), 409);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    CHECK_INT(exit_of(pause), 4);
    check_state(&s, "running", NULL);
    finish(&s);
}

TEST(a_kill_hides_it_and_ends_whoever_waits)
{
    struct scene s = begin("lasting", "");
    pid_t pause = post_later(&s, "pause", NULL);
    uint64_t end_ms = wr_mono_ms() + 10000;
    while (s.agent->health == 0 && wr_mono_ms() < end_ms)
        (void)poll(NULL, 0, 5);
    CHECK_INT(post(&s, "", NULL), 204);
    CHECK_INT(exit_of(pause), 204);
    CHECK_INT(post(&s, "pause", NULL), 404);
    CHECK_INT(listed(&s, "", "0"), 0);
    make(&s, "base", "");
    CHECK_INT(post(&s, "pause", NULL), 204);
    CHECK_INT(post(&s, "", NULL), 204);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 404);
    finish(&s);
}

TEST(paused_ones_do_not_count_for_the_team)
{
    struct scene s = begin_with(
        &(struct start_opts){.api = true, .ingress = true, .limits = {.max_sandboxes = 1}});
    char first[21];
    make(&s, "base", ",\"autoPause\":true,\"autoResume\":{\"enabled\":true}");
    memcpy(first, s.id, sizeof first);
    CHECK_INT(post(&s, "pause", NULL), 204);
    make(&s, "base", "");
    char second[21];
    memcpy(second, s.id, sizeof second);
    memcpy(s.id, first, sizeof first);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 429);
    CHECK(strstr(s.f.answer, "maximum number of concurrent E2B sandboxes (1)") != NULL);
    CHECK_INT(visit(&s, 8080, "/", ""), 429);
    check_state(&s, "paused", "hibernated");
    memcpy(s.id, second, sizeof second);
    CHECK_INT(post(&s, "pause", NULL), 204);
    memcpy(s.id, first, sizeof first);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    finish(&s);
}

/* ---- deadlines ---- */

TEST(at_the_deadline)
{
    struct scene s = begin("base", ",\"autoPause\":true");
    json_t *json = detail(&s);
    CHECK_STR(text_of(json_object_get(json, "lifecycle"), "onTimeout"), "pause");
    json_decref(json);
    CHECK_INT(post(&s, "timeout", "{\"timeout\":1}"), 204);
    wait_for_state(&s, "paused");
    check_state(&s, "paused", "hibernated");
    make(&s, "base", ",\"autoPause\":true,\"autoPauseMemory\":false");
    CHECK_INT(post(&s, "timeout", "{\"timeout\":0}"), 204);
    json = detail(&s);
    CHECK_STR(text_of(json, "state"), "paused");
    CHECK_STR(text_of(json, "pauseMode"), "filesystem");
    json_decref(json);
    /* Who cannot be paused is not killed for that. */
    make(&s, "full", ",\"autoPause\":true");
    CHECK_INT(post(&s, "timeout", "{\"timeout\":0}"), 507);
    check_state(&s, "running", NULL);
    finish(&s);
}

/* ---- ends and starts ---- */

#define LIVES "{\"lifecycle\":{\"autoResume\":false,\"onTimeout\":\"kill\"}}"

TEST(hibernated_ones_are_there_after_a_start)
{
    struct scene s = begin_with(&(struct start_opts){
        .api = true, .preset = 2, .paused = 1, .settings = LIVES, .lifetime_ms = 60000});
    memcpy(s.id, "aaaaaaaaaaaaaaaaaaaa", 21);
    check_state(&s, "paused", "hibernated");
    CHECK_INT(listed(&s, "", "1"), 2);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    CHECK_INT(s.agent->inits, 1);
    CHECK_INT(listed(&s, "", "2"), 2);
    finish(&s);
}

TEST(what_ran_at_the_hosts_end_runs_after_the_start)
{
    struct scene s = begin_with(&(struct start_opts){.api = true,
                                                     .preset = 1,
                                                     .paused = 1,
                                                     .settings = LIVES,
                                                     .lifetime_ms = 60000,
                                                     .resume_at_start = true});
    memcpy(s.id, "aaaaaaaaaaaaaaaaaaaa", 21);
    wait_for_state(&s, "running");
    CHECK_INT(s.agent->inits, 1);
    finish(&s);
}

static void note_mark(const struct wr_store_sandbox *row, void *data)
{
    *(bool *)data = row->resume_at_start;
}

static bool is_marked(const struct scene *s, const char *id)
{
    struct wr_error err = {0};
    struct wr_store *store = NULL;
    bool marked = false;
    CHECK_INT(wr_store_open(s->f.dir, &store, &err), 0);
    CHECK_INT(wr_store_sandbox_get(store, id, note_mark, &marked, &err), 0);
    wr_store_free(store);
    return marked;
}

TEST(what_cannot_be_resumed_at_the_start_is_not_tried_at_every_start)
{
    /* The second one runs, and its team may have no other. */
    struct scene s = begin_with(&(struct start_opts){.api = true,
                                                     .preset = 2,
                                                     .paused = 1,
                                                     .settings = LIVES,
                                                     .lifetime_ms = 60000,
                                                     .limits = {.max_sandboxes = 1},
                                                     .resume_at_start = true});
    uint64_t end_ms = wr_mono_ms() + 20000;
    memcpy(s.id, "aaaaaaaaaaaaaaaaaaaa", 21);
    while (is_marked(&s, s.id) && wr_mono_ms() < end_ms)
        (void)poll(NULL, 0, 20);
    CHECK(!is_marked(&s, s.id));
    CHECK(!is_marked(&s, "bbbbbbbbbbbbbbbbbbbb"));
    check_state(&s, "paused", "hibernated");
    finish(&s);
}

static void check_end(const struct wr_store_sandbox *row, void *data)
{
    int *seen = data;
    CHECK(row->paused && row->resume_at_start);
    ++*seen;
}

TEST(the_end_hibernates_and_notes_what_ran)
{
    struct scene s =
        begin_with(&(struct start_opts){.api = true, .pause = {.hibernate_at_end = true}});
    struct wr_error err = {0};
    struct wr_store *store = NULL;
    int seen = 0;
    make(&s, "lasting", "");
    CHECK(kill(s.f.server, SIGTERM) == 0);
    CHECK_INT(exit_of(s.f.server), 0);
    CHECK_INT(exit_of(s.f.engine), 0);
    CHECK_INT(wr_store_open(s.f.dir, &store, &err), 0);
    CHECK_INT(wr_store_sandbox_get(store, s.id, check_end, &seen, &err), 0);
    CHECK_INT(seen, 1);
    wr_store_free(store);
    clean(&s.f);
    agent_stop(s.agent_pid, s.agent);
}

/* Asks for everything to be hibernated and waits until that is over: what the server says then. */
static json_t *hibernate_all(struct scene *s)
{
    uint64_t end_ms = wr_mono_ms() + 20000;
    json_t *json = NULL;
    CHECK_INT(api(&s->f, -1, "POST", "/hibernate", NULL, &json), 202);
    while (json_integer_value(json_object_get(json, "left")) > 0) {
        json_decref(json);
        CHECK_INT(api(&s->f, -1, "GET", "/hibernate", NULL, &json), 200);
        CHECK(wr_mono_ms() < end_ms);
    }
    return json;
}

/* `reason` NULL: the only sandbox was hibernated. */
static void check_report(json_t *report, const char *id, const char *reason)
{
    const json_t *failures = json_object_get(report, "failures");
    const json_t *failure = json_array_get(failures, 0);
    CHECK_INT(json_integer_value(json_object_get(report, "left")), 0);
    CHECK_INT(json_integer_value(json_object_get(report, "done")), !reason);
    CHECK_INT(json_integer_value(json_object_get(report, "failed")), reason != NULL);
    CHECK_INT(json_array_size(failures), reason != NULL);
    if (reason) {
        CHECK_STR(text_of(failure, "sandboxID"), id);
        CHECK(strstr(text_of(failure, "reason"), reason) != NULL);
    }
    json_decref(report);
}

TEST(everything_is_hibernated_on_demand)
{
    struct scene s = begin("base", "");
    CHECK_INT(api(&s.f, 0, "POST", "/hibernate", NULL, NULL), 403);
    CHECK_INT(api(&s.f, 0, "GET", "/hibernate", NULL, NULL), 403);
    CHECK_INT(api(&s.f, -1, "GET", "/hibernate", NULL, NULL), 404);
    check_report(hibernate_all(&s), s.id, NULL);
    check_state(&s, "paused", "hibernated");
    /* That is over: whoever is resumed now goes on, until somebody asks again. */
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    json_t *json = NULL;
    CHECK_INT(api(&s.f, -1, "GET", "/hibernate", NULL, &json), 200);
    check_report(json, s.id, NULL);
    check_state(&s, "running", NULL);
    check_report(hibernate_all(&s), s.id, NULL);
    check_state(&s, "paused", "hibernated");
    finish(&s);
}

TEST(what_cannot_be_saved_at_the_end_is_named)
{
    struct scene s = begin("undumpable", "");
    check_report(hibernate_all(&s), s.id, "it uses io_uring");
    check_state(&s, "paused", "frozen");
    /* Who asks again gets another attempt. */
    check_report(hibernate_all(&s), s.id, "it uses io_uring");
    finish(&s);
}

TEST(what_fails_at_the_end_runs_on_and_is_not_marked)
{
    struct scene s = begin("full", "");
    check_report(hibernate_all(&s), s.id, "the disk is full");
    check_state(&s, "running", NULL);
    CHECK(!is_marked(&s, s.id));
    finish(&s);
}

TEST(an_idle_server_ends_when_everything_sleeps)
{
    struct scene s = begin_with(&(struct start_opts){.api = true, .idle_ms = 200});
    make(&s, "base", "");
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 204);
    s.f.client = wr_transport_free(s.f.client);
    CHECK_INT(exit_of(s.f.server), 0);
    CHECK_INT(exit_of(s.f.engine), 42);
    clean(&s.f);
    agent_stop(s.agent_pid, s.agent);
}

TEST(frozen_ones_go_to_disk_after_a_while)
{
    struct scene s =
        begin_with(&(struct start_opts){.api = true, .pause = {.hibernate_after_ms = 1}});
    make(&s, "base", "");
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 204);
    uint64_t end_ms = wr_mono_ms() + 20000;
    bool there = false;
    while (!there && wr_mono_ms() < end_ms) {
        json_t *json = detail(&s);
        there = wr_streq(text_of(json_object_get(json, "pause"), "level"), "hibernated");
        json_decref(json);
        (void)poll(NULL, 0, 20);
    }
    CHECK(there);
    finish(&s);
}

TEST(figures)
{
    struct scene s = begin("base", "");
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 204);
    CHECK_INT(api(&s.f, -1, "GET", "/metrics", NULL, NULL), 200);
    CHECK(strstr(s.f.answer, "warren_sandboxes_paused{level=\"frozen\"} 1\n") != NULL);
    CHECK(strstr(s.f.answer, "warren_pauses_total{level=\"frozen\"} 1\n") != NULL);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    CHECK_INT(api(&s.f, -1, "GET", "/metrics", NULL, NULL), 200);
    CHECK(strstr(s.f.answer, "warren_resumes_total{level=\"frozen\"} 1\n") != NULL);
    CHECK(strstr(s.f.answer, "warren_sandboxes{state=\"running\"} 1\n") != NULL);
    finish(&s);
}
