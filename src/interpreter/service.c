#include "interpreter/service.h"

#include "agent/cors.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "interpreter/context.h"
#include "interpreter/limits.h"
#include "interpreter/prepare.h"
#include "interpreter/renewal.h"
#include "interpreter/routes.h"

/* Six times the largest text, escaped, or one piece of a result. */
#define LINE_MAX_BYTES ((size_t)1024 * 1024)

static void free_contexts(struct wr_list *contexts)
{
    wr_list_foreach(it, contexts)
        wr_context_free(wr_list_entry(it, struct wr_context, link));
}

static void stop(void *service)
{
    struct wr_interpreter *interpreter = service;

    if (!interpreter)
        return;
    /* Connections first: executions and waiting requests leave their contexts. */
    interpreter->server = wr_http_server_free(interpreter->server);
    free_contexts(&interpreter->contexts);
    free_contexts(&interpreter->leaving);
    wr_renewals_look(interpreter); /* no context is left to wait for */
    wr_buf_done(&interpreter->line);
    free(interpreter);
}

/* The default contexts that are listed before anybody used them. */
static int make_defaults(struct wr_interpreter *interpreter, struct wr_error *err)
{
    struct wr_context *made = NULL;
    int rc = 0;

    for (size_t i = 0; i < wr_language_count && rc == 0; i++) {
        if (wr_languages[i].listed)
            rc = wr_context_default(interpreter, &wr_languages[i], &made, err);
    }
    return rc;
}

static int start(struct wr_agent *agent, int listen_fd, void **ret, struct wr_error *err)
{
    struct wr_interpreter *interpreter = wr_calloc(1, sizeof(*interpreter));
    const struct wr_http_server_opts opts = {
        .max_connections = WR_INTERPRETER_CONNECTIONS,
        .handler = wr_interpreter_handle,
        .on_begin = wr_cors_fields,
        .data = interpreter,
        .eof_aborts = true, /* a cell that is silent has to hear that its client has left */
    };

    if (!interpreter) {
        (void)wr_close(listen_fd);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the interpreter");
    }
    interpreter->agent = agent;
    interpreter->loop = agent->loop;
    wr_list_init(&interpreter->contexts);
    wr_list_init(&interpreter->leaving);
    wr_list_init(&interpreter->renewals);
    wr_list_init(&interpreter->starts.waiting);
    wr_buf_init(&interpreter->line, LINE_MAX_BYTES);
    int rc = wr_http_server_new(agent->loop, listen_fd, &opts, &interpreter->server, err);
    if (rc == 0)
        rc = make_defaults(interpreter, err);
    if (rc < 0) {
        stop(interpreter);
        return rc;
    }
    if (agent->config->blank)
        wr_prepare_begin(interpreter);
    *ret = interpreter;
    return 0;
}

static bool ready(const void *service, const char **ret_failed)
{
    return wr_prepare_is_ready(service, ret_failed);
}

static void assign(void *service, void (*done)(void *data), void *data)
{
    wr_prepare_assign(service, done, data);
}

static void renew(void *service, const json_t *env, void (*done)(void *data), void *data)
{
    wr_renewal_begin(service, env, done, data);
}

static void keep(void *service)
{
    const struct wr_interpreter *interpreter = service;

    wr_list_foreach(it, &interpreter->contexts)
        wr_context_keep(wr_list_entry(it, struct wr_context, link));
}

const struct wr_agent_service wr_interpreter_service = {
    .start = start,
    .stop = stop,
    .ready = ready,
    .assign = assign,
    .renew = renew,
    .keep = keep,
};
