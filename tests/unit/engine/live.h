/* A data directory of its own with a template "tiny" that has no programs (the agent is forked, not
 * executed), for tests that need root. */
#pragma once

#include "engine/main.h"

#define LIVE_TEMPLATE "tiny"
#define LIVE_LAYER    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

extern struct wr_engine_opts live_opts;

/* Runs the test in a process with a mount namespace of its own, and checks afterwards that nothing
 * of it is left on the machine. */
void live_run(void (*test)(void));

/* Writes the template anew; a layer other than LIVE_LAYER does not exist. */
void live_template(const char *layer, uint64_t memory_bytes);
void live_template_remove(void);

/* An engine without a keeper, as a child; *ret_sock is the server's end. Its READY has been read
 * if `wait`. */
pid_t live_engine(int *ret_sock, bool wait);
/* Creates a sandbox; its id. */
void live_create(int sock, char *ret_id);
/* Whether the agent behind a socket of the sandbox (taken over) answers. */
bool live_agent_answers(int fd);
/* The same by SOCKETS. */
bool live_works(int sock, const char *id);
/* Processes in control groups of this data directory; with `id` only in that sandbox's. */
size_t live_processes(const char *id);
/* Directories of uppers. */
size_t live_uppers(void);
/* The pid of the nest that the engine `parent` has started, or 0. */
pid_t live_nest(pid_t parent);
