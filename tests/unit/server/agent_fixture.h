/* An agent for tests of the server, in processes of its own: on the agent's port of this host,
 * which is free in a network of the test's own (own_network()). */
#pragma once

#include <sys/types.h>

/* Shared with the agent's processes. */
struct agent_script {
    int silent;        /* it closes what comes */
    int init_status;   /* what POST /init is answered with */
    int health, inits; /* GET /health and POST /init that came */
    int others;        /* other requests that were answered, with 200 and "hi" */
    char body[4096];   /* of the last POST /init */
    char control[256]; /* the control token that it came with */
};

struct agent_script *agent_start(pid_t *ret_pid);
void agent_stop(pid_t pid, struct agent_script *script);
