/*
 * A further service in the agent's process, on a listening socket of its own: the code interpreter.
 * The agent knows it by this table only, so the service may use the agent and not the other way
 * round; who calls wr_agent_run() names it in the configuration.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

struct wr_agent;

struct wr_agent_service {
    /* Starts to serve on the agent's loop. `listen_fd` becomes owned (also on failure). In a blank
     * sandbox it begins to prepare. */
    int (*start)(struct wr_agent *agent, int listen_fd, void **ret, struct wr_error *err);
    /* Ends everything that start() began; accepts NULL. */
    void (*stop)(void *service);
    /* Whether a blank sandbox is prepared. `*ret_failed` becomes the reason (borrowed) when it
     * never will be, else NULL. */
    bool (*ready)(const void *service, const char **ret_failed);
    /* The agent's configuration has become that of the sandbox's user: hands the new environment
     * on. Calls `done` exactly once, possibly before it returns. */
    void (*assign)(void *service, void (*done)(void *data), void *data);
    /* The sandbox goes on from an image: everything gets new randomness, and in a fork the
     * variables `env` (an object of strings, borrowed; NULL: none). Calls `done` exactly once,
     * possibly before it returns, and does not wait long for what is busy. */
    void (*renew)(void *service, const json_t *env, void (*done)(void *data), void *data);
    /* All connections that there are will be cut by a pause: what runs for their clients goes on
     * without them. */
    void (*keep)(void *service);
};
