#include "interpreter/routes.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "agent/auth.h"
#include "agent/cors.h"
#include "agent/fs/path.h"
#include "agent/reply.h"
#include "http/router.h"
#include "interpreter/context.h"
#include "interpreter/frame.h"
#include "interpreter/frame_writer.h"
#include "interpreter/limits.h"
#include "interpreter/reply.h"
#include "interpreter/request.h"
#include "json/jwrite.h"

#define LIST_MAX ((size_t)2 * 1024 * 1024) /* all contexts, each with a path of PATH_MAX */
/* A directory travels in a fixed field to the zygote. */
#define CWD_MAX  1023

static void unauthorized(struct wr_exchange *ex)
{
    wr_reply_text(ex, 401,
                  "unauthorized access, please provide the sandbox's access token in "
                  "X-Access-Token");
}

static void unprocessable(struct wr_exchange *ex, const struct wr_buf *detail)
{
    wr_reply_json(ex, 422, detail);
}

static int status_of(const struct wr_error *err)
{
    /* Clients know no other than 500 for what the service itself cannot do. */
    return err->code == WR_E_INVALID_ARGUMENT ? 400 : 500;
}

static void get_health(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    (void)data;
    wr_exchange_reply(ex, 200, "application/json", "\"OK\"", 4);
}

/* `home` is the directory of a context without one of its own. */
static void write_context(struct wr_jw *w, const struct wr_context *context, const char *home)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "id", context->id);
    wr_jw_kstr(w, "language", context->language->name);
    wr_jw_kstr(w, "cwd", context->cwd ? context->cwd : home);
    wr_jw_end(w);
}

static void get_contexts(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_interpreter *interpreter = data;
    wr_auto_buf out = WR_BUF(LIST_MAX);
    char home[PATH_MAX];
    struct wr_jw w;

    (void)match;
    wr_default_cwd(interpreter, home);
    wr_jw_init(&w, &out);
    wr_jw_array(&w);
    wr_list_foreach(it, &interpreter->contexts)
        write_context(&w, wr_list_entry(it, struct wr_context, link), home);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        wr_reply_text(ex, 500, "no memory for the list of contexts");
    else
        wr_reply_json(ex, 200, &out);
}

/* Whether a runner can begin there. Looked at with the agent's rights, as it is entered. */
static int check_cwd(const char *cwd, struct wr_error *err)
{
    struct stat st;

    if (strlen(cwd) > CWD_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "cwd is longer than %d bytes", CWD_MAX);
    if (cwd[0] != '/')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "cwd '%.180s' is not an absolute path", cwd);
    if (stat(cwd, &st) < 0)
        return wr_fail_errno(err, WR_E_INVALID_ARGUMENT, "cwd '%.180s'", cwd);
    if (!S_ISDIR(st.st_mode))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "cwd '%.180s' is not a directory", cwd);
    return 0;
}

static int find_language(struct wr_interpreter *interpreter, const char *name,
                         const struct wr_language **ret, struct wr_error *err)
{
    const struct wr_language *language = wr_language_find(name);

    if (!language)
        return wr_fail(err, WR_E_UNIMPLEMENTED, 0,
                       "there is no language '%.40s'; there are python, javascript, typescript, "
                       "bash, r and java",
                       name);
    *ret = language;
    return wr_context_check(interpreter, language, err);
}

/* The body of a request is there, or will never be. */
static void release(struct wr_interpreter *interpreter, struct wr_exchange *ex)
{
    interpreter->collected_bytes -= wr_exchange_tag(ex);
    wr_exchange_set_tag(ex, 0);
}

static void on_context_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_interpreter *interpreter = data;
    wr_auto_buf text = WR_BUF(WR_DETAIL_MAX);
    wr_auto_context_options options = {0};
    const struct wr_language *language = NULL;
    struct wr_context *context = NULL;
    struct wr_error err = {0};
    struct wr_jw w;

    release(interpreter, ex);
    if (!wr_context_options_read(body, len, &options, &text)) {
        unprocessable(ex, &text);
        return;
    }
    wr_buf_clear(&text);
    char home[PATH_MAX];
    wr_default_cwd(interpreter, home);
    int rc = options.cwd ? check_cwd(options.cwd, &err) : 0;
    if (rc == 0)
        rc = find_language(interpreter, options.language, &language, &err);
    if (rc == 0)
        rc = wr_context_new(interpreter, language, options.cwd ? options.cwd : home, false,
                            &context, &err);
    if (rc == 0) {
        /* In the background: whoever makes a context is about to use it. */
        rc = wr_context_start(context, &err);
        if (rc < 0)
            wr_context_drop(context);
    }
    if (rc < 0) {
        if (status_of(&err) == 500)
            (void)wr_wrap(&err, "Failed to create context");
        wr_reply_text(ex, status_of(&err), "%s", err.msg);
        return;
    }
    wr_jw_init(&w, &text);
    write_context(&w, context, home);
    if (wr_jw_finish(&w) < 0)
        wr_reply_text(ex, 500, "no memory for the answer");
    else
        wr_reply_json(ex, 200, &text);
}

static void on_lost(struct wr_exchange *ex, bool aborted, void *data)
{
    (void)aborted;
    release(data, ex);
}

/* Takes the body of a request, up to `max` bytes. One that is too large is read to its end before
 * the answer, because a client that is still sending would see a broken connection and not the
 * reason. */
static void collect(struct wr_exchange *ex, size_t max,
                    void (*fn)(struct wr_exchange *ex, const char *body, size_t len, void *data),
                    struct wr_interpreter *interpreter)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    uint64_t size = max;

    if (head->framing == WR_H1_BODY_LENGTH || head->framing == WR_H1_BODY_NONE)
        size = head->content_length;
    if (size > max) {
        wr_reply_error_late(ex, 413, "the request body is too large: at most %zu KiB", max / 1024);
        return;
    }
    if (interpreter->collected_bytes + size > WR_INTERPRETER_COLLECTED) {
        wr_reply_text(ex, 500, "too many large requests are being received; try again");
        return;
    }
    interpreter->collected_bytes += size;
    wr_exchange_set_tag(ex, size);
    wr_exchange_collect(ex, max, fn, on_lost, interpreter);
}

static void post_contexts(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    collect(ex, WR_INTERPRETER_OPTIONS, on_context_body, data);
}

static void end_context(struct wr_exchange *ex, const char *id, void *data, bool remove)
{
    struct wr_context *context = wr_context_find(data, id);

    if (context)
        wr_context_end(context, ex, remove);
    else
        wr_reply_text(ex, 404, "Context %s not found", id);
}

static void post_restart(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    end_context(ex, match->params[0], data, false);
}

static void delete_context(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    end_context(ex, match->params[0], data, true);
}

/* The context that a request means; answers when there is none. */
static struct wr_context *pick_context(struct wr_interpreter *interpreter, struct wr_exchange *ex,
                                       const struct wr_execute_request *request)
{
    const struct wr_language *language = NULL;
    struct wr_context *context = NULL;
    struct wr_error err = {0};

    if (request->context_id && request->language) {
        wr_reply_text(ex, 400, "Only one of context_id or language can be provided");
        return NULL;
    }
    if (request->context_id) {
        context = wr_context_find(interpreter, request->context_id);
        if (!context)
            wr_reply_text(ex, 404, "Context %.500s not found", request->context_id);
        return context;
    }
    int rc = find_language(interpreter, request->language, &language, &err);
    if (rc == 0)
        rc = wr_context_default(interpreter, language, &context, &err);
    if (rc < 0)
        wr_reply_text(ex, status_of(&err), "%s", err.msg);
    return context;
}

static int make_frame(const struct wr_execute_request *request, struct wr_buf *frame,
                      struct wr_error *err)
{
    wr_auto_env checked = {0};

    int rc = wr_env_merge(&checked, request->env_vars, "env_vars", err);
    if (rc == 0 &&
        wr_frame_execute(frame, request->code, request->code_len, request->env_vars, false) < 0)
        rc = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the cell");
    return rc;
}

static void on_execute_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_interpreter *interpreter = data;
    wr_auto_buf detail = WR_BUF(WR_DETAIL_MAX);
    wr_auto_buf frame = WR_BUF(WR_FRAME_HEADER + WR_FRAME_MAX);
    wr_auto_execute_request request = {0};
    struct wr_execution *execution = NULL;
    struct wr_error err = {0};

    release(interpreter, ex);
    if (!wr_execute_request_read(body, len, &request, &detail)) {
        unprocessable(ex, &detail);
        return;
    }
    struct wr_context *context = pick_context(interpreter, ex, &request);
    if (!context)
        return;
    int rc = make_frame(&request, &frame, &err);
    if (rc == 0)
        rc = wr_context_admit(context, frame.len, &err);
    if (rc == 0)
        rc = wr_execution_new(interpreter, context, ex, &frame, &execution, &err);
    if (rc < 0)
        wr_reply_text(ex, status_of(&err), "%s", err.msg);
    else
        wr_context_submit(context, execution);
}

static void post_execute(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_interpreter *interpreter = data;

    (void)match;
    if (!wr_auth_has_token(interpreter->agent->config, ex))
        unauthorized(ex);
    else
        collect(ex, WR_INTERPRETER_BODY, on_execute_body, interpreter);
}

static const struct wr_route routes[] = {
    {"GET", "/health", get_health},
    {"POST", "/execute", post_execute},
    {"GET", "/contexts", get_contexts},
    {"POST", "/contexts", post_contexts},
    {"POST", "/contexts/{id}/restart", post_restart},
    {"DELETE", "/contexts/{id}", delete_context},
};

void wr_interpreter_handle(struct wr_exchange *ex, void *data)
{
    struct wr_interpreter *interpreter = data;
    const struct wr_agent_config *config = interpreter->agent->config;

    if (wr_cors_preflight(ex))
        return;
    if (config->blank && !wr_auth_has_token(config, ex)) {
        unauthorized(ex);
        return;
    }
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, interpreter)) {
    case WR_ROUTE_FOUND:
        break;
    case WR_ROUTE_NO_PATH:
        wr_reply_detail(ex, 404, "Not Found");
        break;
    case WR_ROUTE_NO_METHOD:
        wr_reply_detail(ex, 405, "Method Not Allowed");
        break;
    }
}
