/*
 * Cells in a sandbox: the code interpreter on port 49999 of every sandbox. Blocking; a cell's
 * messages arrive one by one while it runs. A cell that is given up (wr_transport_interrupt()) is
 * interrupted inside the sandbox, because its connection is closed.
 */
#pragma once

#include <jansson.h>

#include "base/str.h"
#include "client/transport.h"

#define WR_INTERPRETER_PORT        49999
#define WR_INTERPRETER_SANDBOX_MAX 64 /* of an id, with NUL */
#define WR_INTERPRETER_CONTEXT_MAX 64

/* One sandbox's interpreter; plain data, nothing to free. */
struct wr_interpreter {
    struct wr_transport *transport; /* borrowed */
    char sandbox_id[WR_INTERPRETER_SANDBOX_MAX];
    char sandbox_domain[WR_ENDPOINT_DOMAIN_MAX]; /* "": the endpoint's */
    char access_token[256], traffic_token[256];  /* "": none */
};

/* Asks the server for the sandbox's tokens, and that it lives `timeout_s` more seconds at least.
 * NOT_FOUND. */
int wr_interpreter_open(struct wr_transport *transport, const char *sandbox_id, uint64_t timeout_s,
                        struct wr_interpreter *ret, struct wr_error *err) WR_MUST_CHECK;

struct wr_cell_request {
    const char *code;
    size_t code_len;
    const char *context_id;  /* NULL: the default context of `language` */
    const char *language;    /* not used with context_id */
    const char *const *envs; /* "NAME=value", during this cell */
    size_t env_count;
    uint64_t timeout_ms; /* 0: none. Then the cell is given up: DEADLINE_EXCEEDED */
};

enum wr_cell_message_kind {
    WR_CELL_COUNT = 0,  /* the cell begins: `count` */
    WR_CELL_STDOUT = 1, /* `text` */
    WR_CELL_STDERR = 2, /* `text` */
    WR_CELL_RESULT = 3, /* `json` has one member per format, `main` */
    WR_CELL_ERROR = 4,  /* `name`, `value`, `traceback` */
};

/* Everything is valid during the callback. */
struct wr_cell_message {
    enum wr_cell_message_kind kind;
    const json_t *json; /* the message as it came */
    int64_t count;
    const char *text;
    size_t text_len;
    bool main; /* the value of the cell's last expression, not something displayed on the way */
    const char *name, *value, *traceback;
};

struct wr_execution;
typedef void (*wr_cell_fn)(struct wr_execution *execution, const struct wr_cell_message *message,
                           void *data);

/*
 * Runs one cell to its end; an error of its code is a message, not a failure. CANCELED when it was
 * given up; UNAVAILABLE when the stream was cut; NOT_FOUND for a context that does not exist.
 */
int wr_interpreter_execute(const struct wr_interpreter *interpreter,
                           const struct wr_cell_request *request, wr_cell_fn fn, void *data,
                           struct wr_error *err) WR_MUST_CHECK;
/* Stops and restarts the messages; a sandbox whose messages nobody takes stops writing. */
void wr_execution_pause(struct wr_execution *execution, bool paused);
/* Gives the cell up, in a message's callback: no message follows, and wr_interpreter_execute() ends
 * with CANCELED. */
void wr_execution_stop(struct wr_execution *execution);

/* `cwd` NULL: the user's home. */
int wr_interpreter_context_create(const struct wr_interpreter *interpreter, const char *language,
                                  const char *cwd, char ret_id[static WR_INTERPRETER_CONTEXT_MAX],
                                  struct wr_error *err) WR_MUST_CHECK;
/* The first context of that language, which is its default one. NOT_FOUND before its first use. */
int wr_interpreter_context_find(const struct wr_interpreter *interpreter, const char *language,
                                char ret_id[static WR_INTERPRETER_CONTEXT_MAX],
                                struct wr_error *err) WR_MUST_CHECK;
/* Its state is lost. */
int wr_interpreter_context_restart(const struct wr_interpreter *interpreter, const char *id,
                                   struct wr_error *err) WR_MUST_CHECK;
int wr_interpreter_context_delete(const struct wr_interpreter *interpreter, const char *id,
                                  struct wr_error *err) WR_MUST_CHECK;
