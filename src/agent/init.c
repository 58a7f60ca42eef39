#include "agent/init.h"

#include "agent/env.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/rfc3339.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define BODY_MAX       ((size_t)2 * 1024 * 1024) /* an environment has at most 1 MiB */
#define ANSWER_MAX     ((size_t)2048)
#define TOKEN_MAX      256
#define CPU_MILLIS_MAX 1000000

/* What a request says; everything is borrowed from its JSON. */
struct init_request {
    json_t *env; /* NULL: none */
    const char *token;
    uint64_t cpu_millis; /* 0: as before */
};

static bool is_ready(const struct wr_agent *agent, const char **ret_failed)
{
    const struct wr_agent_service *interpreter = agent->config->interpreter;

    *ret_failed = NULL;
    return !agent->interpreter || interpreter->ready(agent->interpreter, ret_failed);
}

void wr_init_get(struct wr_agent *agent, struct wr_exchange *ex)
{
    wr_auto_buf out = WR_BUF(ANSWER_MAX);
    const char *failed = NULL;
    bool blank = agent->config->blank;
    bool ready = blank && is_ready(agent, &failed);
    struct wr_jw w;

    wr_jw_init(&w, &out);
    wr_jw_object(&w);
    wr_jw_kbool(&w, "blank", blank);
    wr_jw_kbool(&w, "ready", ready);
    wr_jw_kstr(&w, "error", blank ? failed : NULL);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        wr_reply_error(ex, 500, "no memory for the answer");
    else
        wr_reply_json(ex, 200, &out);
}

/* Waits for the service to hand the environment on. */
struct assignment {
    struct wr_exchange *ex; /* NULL: its client has left */
    bool told;              /* the service has confirmed */
};

static void reply_assigned(struct wr_exchange *ex)
{
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "Cache-Control", "no-store");
    wr_exchange_send(ex, NULL, 0);
}

static void on_assigned(void *data)
{
    struct assignment *assignment = data;

    assignment->told = true;
    if (assignment->ex)
        reply_assigned(assignment->ex);
    else
        free(assignment);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct assignment *assignment = data;

    (void)ex;
    (void)aborted;
    assignment->ex = NULL;
    if (assignment->told)
        free(assignment);
}

static int parse(const json_t *json, struct init_request *ret, struct wr_error *err)
{
    const char *timestamp = NULL;
    uint64_t time_us = 0;
    wr_auto_env checked = {0};
    const struct wr_json_field fields[] = {
        {.name = "envVars", .kind = WR_JSON_OBJECT, .ret = &ret->env},
        {.name = "accessToken", .kind = WR_JSON_STRING, .ret = &ret->token, .max = TOKEN_MAX},
        {.name = "timestamp", .kind = WR_JSON_STRING, .ret = &timestamp, .max = 64},
        {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &ret->cpu_millis, .max = CPU_MILLIS_MAX},
    };

    int rc = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc == 0 && timestamp && wr_parse_rfc3339(timestamp, &time_us) < 0)
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "timestamp is no RFC 3339 time");
    if (rc == 0 && ret->token && ret->token[0] == '\0')
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "accessToken is empty; null stands for none");
    return rc < 0 ? rc : wr_env_merge(&checked, ret->env, "envVars", err);
}

/* The configuration becomes the user's; nothing is changed on failure. */
static int adopt(struct wr_agent *agent, const struct init_request *request, struct wr_error *err)
{
    struct wr_agent_config *config = &agent->own;
    wr_auto_json *merged = json_copy(agent->env);
    bool laid = merged && (!request->env || json_object_update(merged, request->env) == 0);
    json_t *env =
        laid ? wr_env_of_sandbox(merged, config->sandbox_id, config->template_name) : NULL;
    char *token = request->token ? wr_strdup(request->token) : NULL;

    if (!env || (request->token && !token)) {
        json_decref(env);
        free(token);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the assignment");
    }
    json_decref(agent->env);
    agent->env = env;
    agent->token = token;
    config->env = env;
    config->access_token = token;
    config->blank = false;
    if (request->cpu_millis > 0)
        config->cpu_millis = request->cpu_millis;
    return 0;
}

static int assignable(const struct wr_agent *agent, struct wr_error *err)
{
    const char *failed = NULL;

    if (!agent->config->blank)
        return wr_fail(err, WR_E_ABORTED, 0, "the sandbox has its user already");
    if (!is_ready(agent, &failed))
        return wr_fail(err, WR_E_ABORTED, 0, "the sandbox is not prepared: %.180s",
                       failed ? failed : "try again when GET /init says that it is ready");
    return 0;
}

static void on_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};
    struct wr_agent *agent = data;
    wr_auto_free struct assignment *assignment = wr_calloc(1, sizeof(*assignment));
    wr_auto_json *json = NULL;
    struct init_request request = {0};
    struct wr_error err = {0};

    int rc = assignable(agent, &err); /* another request may have been faster */
    if (rc == 0)
        rc = wr_json_parse(body, len, &json, &err);
    if (rc == 0)
        rc = parse(json, &request, &err);
    if (rc == 0 && !assignment)
        rc = wr_fail(&err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the assignment");
    if (rc == 0)
        rc = adopt(agent, &request, &err);
    if (rc < 0) {
        wr_reply_error(ex, wr_code_http_status((enum wr_code)err.code), "%s", err.msg);
        return;
    }
    if (!agent->interpreter) {
        reply_assigned(ex);
        return;
    }
    assignment->ex = ex;
    wr_exchange_set_ops(ex, &ops, assignment);
    agent->config->interpreter->assign(agent->interpreter, on_assigned, wr_steal_ptr(&assignment));
}

void wr_init_post(struct wr_agent *agent, struct wr_exchange *ex)
{
    struct wr_error err = {0};

    if (assignable(agent, &err) < 0)
        wr_reply_error_late(ex, wr_code_http_status((enum wr_code)err.code), "%s", err.msg);
    else
        wr_exchange_collect(ex, BODY_MAX, on_body, NULL, agent);
}
