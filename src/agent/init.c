#include "agent/init.h"

#include "agent/auth.h"
#include "agent/env.h"
#include "agent/identity.h"
#include "agent/reply.h"
#include "base/alloc.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define BODY_MAX       ((size_t)2 * 1024 * 1024) /* an environment has at most 1 MiB */
#define ANSWER_MAX     ((size_t)2048)
#define TOKEN_MAX      256
#define CONTROL_LEN    64
#define CPU_MILLIS_MAX 1000000

enum init_event {
    EVENT_ASSIGNED = 0,
    EVENT_RESUMED = 1,
    EVENT_FORKED = 2,
    EVENT_PAUSING = 3,
};
static const char *const event_names[] = {"assigned", "resumed", "forked", "pausing"};

/* What a request says; everything is borrowed from its JSON. */
struct init_request {
    enum init_event event;
    const char *sandbox_id; /* NULL: as before */
    json_t *env;            /* NULL: none */
    bool sets_token;
    const char *token;   /* NULL: none from now on */
    const char *control; /* NULL: as before */
    uint64_t cpu_millis; /* 0: as before */
};

static bool is_ready(const struct wr_agent *agent, const char **ret_failed)
{
    const struct wr_agent_service *interpreter = agent->config->interpreter;

    *ret_failed = NULL;
    return !agent->interpreter || interpreter->ready(agent->interpreter, ret_failed);
}

/* Like a wrong access token. */
static bool is_control(const struct wr_agent *agent, struct wr_exchange *ex)
{
    if (wr_auth_has_control(agent->config, ex))
        return true;
    wr_reply_error_late(ex, 401, "only the server that made this sandbox may ask for %s",
                        wr_exchange_path(ex));
    return false;
}

void wr_init_get(struct wr_agent *agent, struct wr_exchange *ex)
{
    wr_auto_buf out = WR_BUF(ANSWER_MAX);
    const char *failed = NULL;
    bool blank = agent->config->blank;
    bool ready = blank && is_ready(agent, &failed);
    struct wr_jw w;

    if (!is_control(agent, ex))
        return;
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

/* Waits for the service to tell its interpreters. */
struct news {
    struct wr_agent *agent;
    struct wr_exchange *ex; /* NULL: its client has left */
    struct wr_idle idle;    /* of a pause */
    bool told;              /* the service has confirmed */
};

static void reply_done(struct wr_exchange *ex)
{
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "Cache-Control", "no-store");
    wr_exchange_send(ex, NULL, 0);
}

static void on_told(void *data)
{
    struct news *news = data;

    news->told = true;
    if (news->ex)
        reply_done(news->ex);
    else
        free(news);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct news *news = data;

    (void)ex;
    (void)aborted;
    news->ex = NULL;
    if (!news->told && !wr_list_linked(&news->idle.link))
        return;
    wr_idle_cancel(&news->idle);
    free(news);
}

/* ---- what is asked for ---- */

static int find_event(const char *name, enum init_event *ret, struct wr_error *err)
{
    for (size_t i = 0; name && i < WR_ARRAY_SIZE(event_names); i++) {
        if (!wr_streq(event_names[i], name))
            continue;
        *ret = (enum init_event)i;
        return 0;
    }
    return name ? wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "event: there is no \"%.40s\"", name) : 0;
}

/* Silence would look as if it had been done. */
static int check_fields(const struct init_request *request, struct wr_error *err)
{
    const bool forked = request->event == EVENT_FORKED;
    const bool new_owner = forked || request->event == EVENT_ASSIGNED;
    const struct {
        const char *name;
        bool given, allowed;
    } rows[] = {
        {"sandboxId", request->sandbox_id != NULL, forked},
        {"envVars", request->env != NULL, new_owner},
        {"accessToken", request->sets_token, new_owner},
        {"controlToken", request->control != NULL, new_owner},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (rows[i].given && !rows[i].allowed)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: not with the event \"%s\"",
                           rows[i].name, event_names[request->event]);
    return 0;
}

static int check_values(const struct init_request *request, const char *timestamp,
                        struct wr_error *err)
{
    wr_auto_env checked = {0};
    uint64_t time_us = 0;

    if (timestamp && wr_parse_rfc3339(timestamp, &time_us) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "timestamp is no RFC 3339 time");
    if (request->sandbox_id && !wr_id_valid(request->sandbox_id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "sandboxId is no id of a sandbox");
    if (request->token && request->token[0] == '\0')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "accessToken is empty; null stands for none");
    if (request->control &&
        !wr_str_only(request->control, "0123456789abcdef", CONTROL_LEN, CONTROL_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "controlToken: not %d hex digits",
                       CONTROL_LEN);
    return wr_env_merge(&checked, request->env, "envVars", err);
}

static int parse(const json_t *json, struct init_request *ret, struct wr_error *err)
{
    const char *event = NULL, *timestamp = NULL;
    const struct wr_json_field fields[] = {
        {.name = "event", .kind = WR_JSON_STRING, .ret = &event, .max = 64},
        {.name = "sandboxId", .kind = WR_JSON_STRING, .ret = &ret->sandbox_id, .max = 64},
        {.name = "envVars", .kind = WR_JSON_OBJECT, .ret = &ret->env},
        {.name = "accessToken", .kind = WR_JSON_STRING, .ret = &ret->token, .max = TOKEN_MAX},
        {.name = "controlToken", .kind = WR_JSON_STRING, .ret = &ret->control, .max = TOKEN_MAX},
        {.name = "timestamp", .kind = WR_JSON_STRING, .ret = &timestamp, .max = 64},
        {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &ret->cpu_millis, .max = CPU_MILLIS_MAX},
    };

    int rc = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc == 0)
        rc = find_event(event, &ret->event, err);
    if (rc < 0)
        return rc;
    /* null is said on purpose. */
    ret->sets_token = json_object_get(json, "accessToken") != NULL;
    rc = check_fields(ret, err);
    if (rc == 0)
        rc = check_values(ret, timestamp, err);
    /* A blank's own token is never the user's. */
    ret->sets_token |= ret->event == EVENT_ASSIGNED;
    return rc;
}

static int allowed(const struct wr_agent *agent, enum init_event event, struct wr_error *err)
{
    const char *failed = NULL;

    if (event != EVENT_ASSIGNED)
        return !agent->config->blank ? 0
                                     : wr_fail(err, WR_E_ABORTED, 0, "the sandbox has no user yet");
    if (!agent->config->blank)
        return wr_fail(err, WR_E_ABORTED, 0, "the sandbox has its user already");
    if (!is_ready(agent, &failed))
        return wr_fail(err, WR_E_ABORTED, 0, "the sandbox is not prepared: %.180s",
                       failed ? failed : "try again when GET /init says that it is ready");
    return 0;
}

/* ---- what is done ---- */

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for what /init says");
}

static void set_token(char **slot, const char **config, char *token)
{
    wr_auth_drop_token(slot);
    *slot = token;
    *config = token;
}

/* The configuration becomes what the request says; nothing is changed on failure. */
static int adopt(struct wr_agent *agent, const struct init_request *request, struct wr_error *err)
{
    struct wr_agent_config *config = &agent->own;
    const char *id = request->sandbox_id ? request->sandbox_id : config->sandbox_id;
    wr_auto_json *merged = json_copy(agent->env);
    bool laid = merged && (!request->env || json_object_update(merged, request->env) == 0);
    json_t *env = laid ? wr_env_of_sandbox(merged, id, config->template_name) : NULL;
    char *token = request->token ? wr_strdup(request->token) : NULL;
    char *control = request->control ? wr_strdup(request->control) : NULL;

    if (!env || (request->token && !token) || (request->control && !control)) {
        json_decref(env);
        wr_auth_drop_token(&token);
        wr_auth_drop_token(&control);
        return no_memory(err);
    }
    json_decref(agent->env);
    agent->env = env;
    config->env = env;
    if (request->sets_token)
        set_token(&agent->token, &config->access_token, token);
    if (control)
        set_token(&agent->control, &config->control_token, control);
    config->blank = false;
    if (request->cpu_millis > 0)
        config->cpu_millis = request->cpu_millis;
    return 0;
}

static void rename_sandbox(struct wr_agent *agent, const char *id)
{
    char old_id[WR_ID_LEN + 1] = "";

    if (!id || wr_streq(id, agent->config->sandbox_id))
        return;
    (void)!wr_strcopy(old_id, sizeof(old_id), agent->config->sandbox_id);
    (void)!wr_strcopy(agent->id, sizeof(agent->id), id); /* it was checked */
    agent->own.sandbox_id = agent->id;
    wr_identity_changed(agent, old_id);
}

static void keep(struct news *news)
{
    news->agent->config->interpreter->keep(news->agent->interpreter);
}

static void on_idle(struct wr_idle *idle, void *data)
{
    (void)idle;
    keep(data);
    on_told(data);
}

/* The connections are cut after the answer. It waits until what was sent before has been read: a
 * cell that is on its way is kept as well. */
static void keep_all(struct wr_agent *agent, struct news *news)
{
    keep(news);
    news->idle = (struct wr_idle){.fn = on_idle, .data = news};
    wr_idle_queue(agent->loop, &news->idle);
}

/* Everything is in force; the interpreters are told. */
static void tell_service(struct wr_agent *agent, const struct init_request *request,
                         struct news *news)
{
    const struct wr_agent_service *service = agent->config->interpreter;

    if (request->event == EVENT_ASSIGNED) {
        service->assign(agent->interpreter, on_told, news);
        return;
    }
    if (request->event == EVENT_PAUSING) {
        keep_all(agent, news);
        return;
    }
    /* Without memory for these the interpreters keep their variables, as other processes do. */
    wr_auto_json *env = request->event == EVENT_FORKED
                            ? wr_env_of_sandbox(request->env, agent->config->sandbox_id,
                                                agent->config->template_name)
                            : NULL;
    service->renew(agent->interpreter, env, on_told, news);
}

static void on_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    static const struct wr_exchange_ops ops = {.on_close = on_close};
    struct wr_agent *agent = data;
    wr_auto_free struct news *news = wr_calloc(1, sizeof(*news));
    wr_auto_json *json = NULL;
    struct init_request request = {0};
    struct wr_error err = {0};

    int rc = wr_json_parse(body, len, &json, &err);
    if (rc == 0)
        rc = parse(json, &request, &err);
    if (rc == 0)
        rc = allowed(agent, request.event, &err);
    if (rc == 0 && !news)
        rc = no_memory(&err);
    if (rc == 0)
        rc = adopt(agent, &request, &err);
    if (rc < 0) {
        wr_reply_error(ex, wr_code_http_status((enum wr_code)err.code), "%s", err.msg);
        return;
    }
    rename_sandbox(agent, request.sandbox_id);
    if (!agent->interpreter) {
        reply_done(ex);
        return;
    }
    news->agent = agent;
    news->ex = ex;
    wr_exchange_set_ops(ex, &ops, news);
    tell_service(agent, &request, wr_steal_ptr(&news));
}

void wr_init_post(struct wr_agent *agent, struct wr_exchange *ex)
{
    if (is_control(agent, ex))
        wr_exchange_collect(ex, BODY_MAX, on_body, NULL, agent);
}
