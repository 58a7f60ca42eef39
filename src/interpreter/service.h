/*
 * The code interpreter (docs/internals/interpreter.md): a second service in the agent's process.
 * Contexts, the runners that run their cells, and HTTP on a listening socket of its own.
 */
#pragma once

#include "agent/service.h"

/* For struct wr_agent_config. */
extern const struct wr_agent_service wr_interpreter_service;
