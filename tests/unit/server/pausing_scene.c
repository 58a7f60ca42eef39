#include "pausing_scene.h"

#include <poll.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "engine/action.h"
#include "test.h"

struct scene begin_with(const struct start_opts *opts)
{
    struct scene s = {0};
    own_network();
    s.agent = agent_start(&s.agent_pid);
    s.f = start_with(opts);
    return s;
}

void make(struct scene *s, const char *template_name, const char *more)
{
    char body[512];
    snprintf(body, sizeof body, "{\"templateID\":\"%s\",\"timeout\":600%s}", template_name, more);
    json_t *made = created(&s->f, 0, "/v2/sandboxes", body, s->id);
    CHECK(wr_strcopy(s->token, sizeof s->token, text_of(made, "envdAccessToken")));
    json_decref(made);
}

struct scene begin(const char *template_name, const char *more)
{
    struct scene s = begin_with(&(struct start_opts){.api = true, .ingress = true});
    make(&s, template_name, more);
    return s;
}

void finish(struct scene *s)
{
    stop(&s->f);
    agent_stop(s->agent_pid, s->agent);
}

int post(struct scene *s, const char *what, const char *body)
{
    char target[96];
    snprintf(target, sizeof target, "/sandboxes/%s%s%s", s->id, *what ? "/" : "", what);
    return api(&s->f, 0, *what ? "POST" : "DELETE", target, body, NULL);
}

json_t *detail(struct scene *s)
{
    char target[64];
    json_t *json = NULL;
    snprintf(target, sizeof target, "/sandboxes/%s", s->id);
    CHECK_INT(api(&s->f, 0, "GET", target, NULL, &json), 200);
    return json;
}

void check_state(struct scene *s, const char *state, const char *level)
{
    json_t *json = detail(s);
    CHECK_STR(text_of(json, "state"), state);
    const json_t *pause = json_object_get(json, "pause");
    CHECK(level ? pause != NULL : pause == NULL);
    if (level)
        CHECK_STR(text_of(pause, "level"), level);
    json_decref(json);
}

int visit(struct scene *s, unsigned port, const char *path, const char *line)
{
    char headers[512];
    snprintf(headers, sizeof headers, "E2b-Sandbox-Id: %s\r\nE2b-Sandbox-Port: %u\r\n%s", s->id,
             port, line);
    return api_with(&s->f, -1, "GET", path, headers, NULL, NULL);
}

int visit_agent(struct scene *s)
{
    char line[128];
    snprintf(line, sizeof line, "X-Access-Token: %s\r\n", s->token);
    return visit(s, WR_AGENT_PORT, "/files?path=x", line);
}

int64_t left_s(struct scene *s)
{
    json_t *json = detail(s);
    uint64_t end_us = 0, start_us = 0;
    CHECK_INT(wr_parse_rfc3339(text_of(json, "endAt"), &end_us), 0);
    CHECK_INT(wr_parse_rfc3339(text_of(json, "startedAt"), &start_us), 0);
    json_decref(json);
    return (int64_t)(end_us - start_us) / 1000000;
}

void wait_for_state(struct scene *s, const char *state)
{
    uint64_t end_ms = wr_mono_ms() + 20000;
    for (;;) {
        json_t *json = detail(s);
        bool there = wr_streq(text_of(json, "state"), state);
        json_decref(json);
        if (there)
            return;
        CHECK(wr_mono_ms() < end_ms);
        (void)poll(NULL, 0, 10);
    }
}
