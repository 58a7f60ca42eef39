/*
 * A context: the state of one interpreter, as clients see it. It has an id, a language and a
 * working directory for as long as it is listed, and a runner from its first use on; the runner may
 * die and be started anew under the same id.
 */
#pragma once

#include <limits.h>

#include "http/server.h"
#include "interpreter/execution.h"
#include "interpreter/interpreter.h"
#include "interpreter/language.h"
#include "interpreter/runner.h"

#define WR_CONTEXT_ID_LEN 36

struct wr_context {
    struct wr_list link;
    struct wr_interpreter *interpreter;
    char id[WR_CONTEXT_ID_LEN + 1]; /* a UUID */
    const struct wr_language *language;
    char *cwd; /* owned; NULL: the default user's home */
    bool is_default;
    bool removed;             /* not listed any more; goes with its runner */
    bool plain;               /* the fork ended early: started without the zygote */
    struct wr_runner *runner; /* owned; NULL: none yet, or it has ended */
    struct wr_execution *running;
    struct wr_list queue;
    size_t queue_count;
    struct wr_list waiters; /* requests that are answered when the runner has ended */
    bool renewing;          /* a renewal waits for its runner */
};

/* A new one at the end of the list. `cwd` NULL: the default. WR_E_RESOURCE_EXHAUSTED at the
 * maximum.
 */
int wr_context_new(struct wr_interpreter *interpreter, const struct wr_language *language,
                   const char *cwd, bool is_default, struct wr_context **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Frees it with its runner; its executions fail. */
void wr_context_free(struct wr_context *context);
/* The same for one that is listed. */
void wr_context_drop(struct wr_context *context);
/* NULL when there is none. */
struct wr_context *wr_context_find(struct wr_interpreter *interpreter, const char *id);
/* The default of a language, made when there is none. */
int wr_context_default(struct wr_interpreter *interpreter, const struct wr_language *language,
                       struct wr_context **ret, struct wr_error *err) WR_MUST_CHECK;
/* The directory of contexts that name none: the home of the sandbox's default user. */
void wr_default_cwd(const struct wr_interpreter *interpreter, char out[static PATH_MAX]);

/* Whether the sandbox can run cells of it; WR_E_UNIMPLEMENTED and others. */
int wr_context_check(struct wr_interpreter *interpreter, const struct wr_language *language,
                     struct wr_error *err) WR_MUST_CHECK;
/* Starts its runner when it has none. */
int wr_context_start(struct wr_context *context, struct wr_error *err) WR_MUST_CHECK;
/* Whether one more execution of so many bytes may wait: WR_E_RESOURCE_EXHAUSTED. */
int wr_context_admit(const struct wr_context *context, size_t bytes, struct wr_error *err)
    WR_MUST_CHECK;
/* Queues an execution; it runs when those before it have ended. */
void wr_context_submit(struct wr_context *context, struct wr_execution *execution);
/* The client of an execution that has not ended is gone. True when it stays in the queue; else the
 * context has forgotten it. */
bool wr_context_left(struct wr_context *context, struct wr_execution *execution) WR_MUST_CHECK;
/* The clients of all its executions will be cut off by a pause, which must not end them. */
void wr_context_keep(struct wr_context *context);
/* `execution` became blocked, or is not any more. */
void wr_context_flow(struct wr_context *context, const struct wr_execution *execution);
/* Ends its runner; `ex` is answered when that is done. With `remove` it leaves the list and what is
 * queued fails, else what is queued runs in a new one. */
void wr_context_end(struct wr_context *context, struct wr_exchange *ex, bool remove);
/* Hands the environment of the agent's configuration to its runner; false when it has none that
 * could take it. */
bool wr_context_assign(struct wr_context *context) WR_MUST_CHECK;
/* Its runner, if there is one, gets new randomness and the variables `env` (may be NULL). A
 * renewal waits for one that has nothing else to do. */
void wr_context_renew(struct wr_context *context, const json_t *env);
