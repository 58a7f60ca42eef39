/* The server, a fake engine, an agent, and a sandbox that is paused and resumed. */
#pragma once

#include "agent_fixture.h"
#include "server_fixture.h"

struct scene {
    struct fixture f;
    struct agent_script *agent;
    pid_t agent_pid;
    char id[21], token[65];
};

struct scene begin_with(const struct start_opts *opts);
/* With listeners for keys and for sandboxes, and a sandbox. */
struct scene begin(const char *template_name, const char *more);
void finish(struct scene *s);
/* A sandbox of that template, made with `more` in its request. */
void make(struct scene *s, const char *template_name, const char *more);
/* POST /sandboxes/<id>/<what>, DELETE /sandboxes/<id> when that is ""; the status. */
int post(struct scene *s, const char *what, const char *body);
/* GET /sandboxes/<id>; the caller's. */
json_t *detail(struct scene *s);
/* `level` NULL: it is not paused. */
void check_state(struct scene *s, const char *state, const char *level);
/* A request to a port of the sandbox, with one more header line; its status. */
int visit(struct scene *s, unsigned port, const char *path, const char *line);
/* One that the agent takes. */
int visit_agent(struct scene *s);
/* Of its life, as details have it. */
int64_t left_s(struct scene *s);
void wait_for_state(struct scene *s, const char *state);
