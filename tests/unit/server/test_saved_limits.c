/* What one team may keep of sandboxes that do not run. */
#include <string.h>

#include "base/str.h"
#include "pausing_scene.h"
#include "test.h"

static void fail_with(struct scene *s, const char *what, int status, const char *said)
{
    char target[96];
    snprintf(target, sizeof target, "/sandboxes/%s/%s", s->id, what);
    refused(&s->f, 0, "POST", target, "{}", status, said);
}

TEST(a_team_has_a_number_of_paused_sandboxes)
{
    static const char body[] = "{\"templateID\":\"base\",\"autoPause\":true}";
    struct scene s =
        begin_with(&(struct start_opts){.api = true, .ingress = true, .max_paused = 1});
    char first[21], second[21];
    make(&s, "base", ",\"autoPause\":true");
    memcpy(second, s.id, sizeof second);
    make(&s, "base", "");
    memcpy(first, s.id, sizeof first);
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 204);
    /* Another level makes no more of them. */
    CHECK_INT(post(&s, "pause", "{\"level\":\"hibernated\"}"), 204);
    memcpy(s.id, second, sizeof second);
    fail_with(&s, "pause", 429, "1 paused sandboxes, of 1 that it may have (max-paused): resume");
    CHECK(answered(&s.f, "Should-Retry: false"));
    check_state(&s, "running", NULL);
    /* What comes to its end is never lost for a limit; but there are no more of that kind. */
    refused(&s.f, 0, "POST", "/v2/sandboxes", body, 429, "max-paused");
    CHECK_INT(post(&s, "timeout", "{\"timeout\":0}"), 204);
    check_state(&s, "paused", "hibernated");
    refused(&s.f, 0, "POST", "/v2/sandboxes", body, 429, "2 paused sandboxes, of 1");
    make(&s, "base", "");
    CHECK_INT(post(&s, "snapshots", "{}"), 201);
    CHECK_INT(post(&s, "fork", "{}"), 201);
    memcpy(s.id, first, sizeof first);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    memcpy(s.id, second, sizeof second);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    CHECK_INT(post(&s, "pause", NULL), 204);
    finish(&s);
}

TEST(a_team_has_a_number_of_stored_bytes)
{
    struct scene s =
        begin_with(&(struct start_opts){.api = true, .ingress = true, .max_stored_bytes = 4096});
    char first[21], ref[128];
    json_t *json = NULL;
    make(&s, "base", "");
    memcpy(first, s.id, sizeof first);
    CHECK_INT(post(&s, "pause", NULL), 204); /* 4096 bytes */
    make(&s, "base", "");
    fail_with(&s, "pause", 507, "(max-stored): kill a paused sandbox or remove a snapshot");
    fail_with(&s, "snapshots", 507, "(max-stored)");
    check_state(&s, "running", NULL);
    /* In memory it stores nothing. */
    CHECK_INT(post(&s, "pause", "{\"level\":\"frozen\"}"), 204);
    CHECK_INT(post(&s, "connect", "{\"timeout\":60}"), 201);
    char second[21];
    memcpy(second, s.id, sizeof second);
    memcpy(s.id, first, sizeof first);
    CHECK_INT(post(&s, "", NULL), 204);
    memcpy(s.id, second, sizeof second);
    char target[64];
    snprintf(target, sizeof target, "/sandboxes/%s/snapshots", s.id);
    CHECK_INT(api(&s.f, 0, "POST", target, "{}", &json), 201); /* 4711 */
    CHECK(wr_strformat(ref, sizeof ref, "/templates/%s", text_of(json, "snapshotID")));
    json_decref(json);
    fail_with(&s, "pause", 507, "(max-stored)");
    CHECK_INT(api(&s.f, 0, "DELETE", ref, NULL, NULL), 204);
    CHECK_INT(post(&s, "pause", NULL), 204);
    finish(&s);
}

TEST(saving_and_resuming_take_from_the_rate)
{
    static const struct {
        const char *what, *body;
        int status;
    } steps[] = {{"pause", NULL, 204},
                 {"resume", "{\"timeout\":60}", 201},
                 {"snapshots", "{\"name\":\"x\"}", 201},
                 {"rollback", "{\"snapshotID\":\"x\"}", 200},
                 {"fork", "{\"count\":3}", 201},
                 {"pause", NULL, 204},
                 {"connect", "{\"timeout\":60}", 201}};
    struct scene s = begin_with(
        &(struct start_opts){.api = true, .ingress = true, .limits = {.creates_per_s = 2}});
    make(&s, "base", "");
    /* As many turns as copies: ten seconds of them. */
    CHECK_INT(post(&s, "fork", "{\"count\":20}"), 201);
    for (size_t i = 0; i < WR_ARRAY_SIZE(steps); i++) {
        char target[96];
        snprintf(target, sizeof target, "/sandboxes/%s/%s", s.id, steps[i].what);
        refused(&s.f, 0, "POST", target, steps[i].body, 429, "this API key has 2 per second");
        /* The operator has no budget. */
        CHECK_INT(api(&s.f, -1, "POST", target, steps[i].body, NULL), steps[i].status);
    }
    finish(&s);
}
