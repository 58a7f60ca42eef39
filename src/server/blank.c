#include "server/blank.h"

#include "base/alloc.h"
#include "json/jread.h"
#include "log/log.h"
#include "server/blanks.h"
#include "server/create_action.h"
#include "server/records.h"
#include "server/server.h"

#define ASK_FIRST_MS   5 /* until the agent is asked whether it is ready; doubled each time */
#define ASK_MAX_MS     250
#define ASK_TIMEOUT_MS 5000
#define PREPARE_MAX_MS 60000 /* the template's interpreter may have to be warmed first */
#define RETRY_FIRST_MS 1000  /* after a failure; doubled each time */
#define RETRY_MAX_MS   60000

/* ---- the end ---- */

bool wr_blank_counts(const struct wr_blank *blank)
{
    return blank->state <= WR_BLANK_READY;
}

void wr_blank_set_state(struct wr_blank *blank, enum wr_blank_state state)
{
    struct wr_blank_pool *pool = blank->pool;
    bool counted = wr_blank_counts(blank);

    blank->state = state;
    if (counted && !wr_blank_counts(blank))
        pool->count--;
    if (state >= WR_BLANK_READY && pool->blanks->making == blank)
        pool->blanks->making = NULL;
}

void wr_blank_free_record(struct wr_sandbox *sandbox)
{
    if (!sandbox)
        return;
    /* Hidden first: what is cut must not dial again. */
    sandbox->state = WR_SANDBOX_KILLING;
    wr_dial_drop_all(sandbox);
    wr_sandbox_record_free(sandbox);
}

/* Takes it out of everything. Its memory stays as long as the engine owes an answer. */
void wr_blank_let_go(struct wr_blank *blank)
{
    wr_blank_set_state(blank, WR_BLANK_ENDED);
    wr_timer_stop(&blank->timer);
    wr_agent_call_cancel(&blank->agent);
    wr_blank_free_record(wr_steal_ptr(&blank->sandbox));
    if (blank->engine_asked)
        return;
    wr_list_remove(&blank->link);
    explicit_bzero(blank->token, sizeof blank->token);
    explicit_bzero(blank->control, sizeof blank->control);
    free(blank);
}

static void on_killed(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct wr_blanks *blanks = data;

    (void)reply;
    blanks->ending--;
    /* Without a row it is found and ended by the next server at the latest. */
    if (error && error->code != WR_E_NOT_FOUND)
        wr_log(WR_LOG_WARN, "a blank sandbox was not killed", "error", error->msg, NULL);
}

void wr_blanks_kill(struct wr_blanks *blanks, const char *id)
{
    char text[64];
    wr_auto_buf json = WR_BUF(sizeof text);
    struct wr_error error = {0};

    /* The id is of [a-z0-9]: nothing to escape. */
    if (!wr_strformat(text, sizeof text, "{\"id\":\"%s\"}", id) ||
        wr_buf_append_str(&json, text) < 0 ||
        wr_record_call(blanks->server, WR_ACTION_KILL, &json, on_killed, blanks, &error) < 0) {
        wr_log(WR_LOG_WARN, "a blank sandbox was not killed", "sandbox", id, "error", error.msg,
               NULL);
        return;
    }
    blanks->ending++;
}

void wr_blank_discard(struct wr_blank *blank)
{
    if (blank->sandbox)
        wr_blanks_kill(blank->pool->blanks, blank->sandbox->id);
    wr_blank_let_go(blank);
}

/* ---- making ---- */

void wr_blank_failed(struct wr_blank *blank, const struct wr_error *error)
{
    struct wr_blank_pool *pool = blank->pool;
    struct wr_blanks *blanks = pool->blanks;
    bool first = pool->retry_ms == 0;

    pool->retry_ms =
        pool->retry_ms ? WR_MIN(pool->retry_ms * 2, (uint64_t)RETRY_MAX_MS) : RETRY_FIRST_MS;
    pool->retry_at_ms = wr_loop_now_ms(blanks->server->loop) + pool->retry_ms;
    wr_log(first ? WR_LOG_WARN : WR_LOG_DEBUG,
           "a blank sandbox could not be made, trying again until it can", "template",
           pool->template_name, "error", error->msg, NULL);
    wr_blank_discard(blank);
    wr_blanks_plan(blanks, 0);
}

static void note_full(struct wr_blank_pool *pool)
{
    char count[16];

    if (pool->was_full || pool->count < pool->target || pool->blanks->making)
        return;
    pool->was_full = true;
    if (wr_strformat(count, sizeof count, "%zu", pool->count))
        wr_log(WR_LOG_INFO, "blank sandboxes are ready", "template", pool->template_name, "count",
               count, NULL);
}

static void ready(struct wr_blank *blank)
{
    struct wr_blank_pool *pool = blank->pool;
    uint64_t now_ms = wr_loop_now_ms(pool->blanks->server->loop);
    char took[24];

    wr_blank_set_state(blank, WR_BLANK_READY);
    pool->retry_ms = 0;
    if (pool->count >= pool->target)
        pool->short_since_ms = 0;
    if (wr_strformat(took, sizeof took, "%llu", (unsigned long long)(now_ms - blank->began_ms)))
        wr_log(WR_LOG_DEBUG, "a blank sandbox is ready", "sandbox", blank->sandbox->id, "template",
               pool->template_name, "ms", took, NULL);
    note_full(pool);
    wr_blanks_plan(pool->blanks, 0);
}

static void ask_later(struct wr_blank *blank);

/* What GET /init has answered: ready, not yet (0), or a failure. */
static int read_readiness(const struct wr_agent_call *call, int status, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    bool is_ready = false;
    const char *failure = NULL;
    const struct wr_json_field fields[] = {
        {.name = "ready", .kind = WR_JSON_BOOL, .required = true, .ret = &is_ready},
        {.name = "error", .kind = WR_JSON_STRING, .ret = &failure},
    };

    if (status != 200)
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent answered with status %d", status);
    int r = wr_json_parse(wr_buf_ptr(&call->answer), call->answer.len, &json, err);
    if (r == 0)
        r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r == 0 && failure)
        r = wr_fail(err, WR_E_INTERNAL, 0, "%.200s", failure);
    return r < 0 ? r : is_ready;
}

static void on_asked(struct wr_agent_call *call, int status, const struct wr_error *error)
{
    struct wr_blank *blank = wr_container_of(call, struct wr_blank, agent);
    uint64_t age_ms = wr_loop_now_ms(blank->pool->blanks->server->loop) - blank->began_ms;
    struct wr_error own = {0};

    int r = error ? -error->code : read_readiness(call, status, &own);
    if (r == 0 && age_ms >= PREPARE_MAX_MS)
        r = wr_fail(&own, WR_E_DEADLINE_EXCEEDED, 0, "its interpreter was not ready after %d s",
                    PREPARE_MAX_MS / 1000);
    if (r < 0)
        wr_blank_failed(blank, error ? error : &own);
    else if (r > 0)
        ready(blank);
    else
        ask_later(blank);
}

static void on_ask(struct wr_timer *timer, void *data)
{
    struct wr_blank *blank = data;
    struct wr_agent_call *call = &blank->agent;

    (void)timer;
    call->method = "GET";
    call->path = "/init";
    call->token = blank->token;
    call->control = blank->control;
    call->timeout_ms = ASK_TIMEOUT_MS;
    call->fn = on_asked;
    wr_agent_call_start(call, blank->pool->blanks->server, blank->sandbox, NULL);
}

static void ask_later(struct wr_blank *blank)
{
    struct wr_error error = {0};

    if (wr_timer_start(blank->pool->blanks->server->loop, &blank->timer, blank->ask_ms, on_ask,
                       blank, &error) < 0)
        wr_blank_failed(blank, &error);
    blank->ask_ms = WR_MIN(blank->ask_ms * 2, (uint64_t)ASK_MAX_MS);
}

static int take_created(struct wr_blank *blank, const struct wr_engine_reply *reply,
                        struct wr_error *err)
{
    struct wr_record seen;

    int r = wr_record_read(reply->json, &seen, err);
    if (r == 0)
        r = wr_sandbox_record_new(seen.id, &blank->sandbox, err);
    if (r == 0)
        r = wr_record_fill(blank->sandbox, &seen, err);
    if (r == 0)
        wr_record_keep_fds(blank->sandbox, &seen, reply->fds, reply->fd_count);
    return r;
}

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct wr_blank *blank = data;
    struct wr_error own = {0};
    bool wanted = blank->state == WR_BLANK_CREATING;

    blank->engine_asked = false;
    int r = error ? -error->code : take_created(blank, reply, &own);
    if (!wanted)
        wr_blank_discard(blank);
    else if (r < 0)
        wr_blank_failed(blank, error ? error : &own);
    else {
        wr_blank_set_state(blank, WR_BLANK_PREPARING);
        ask_later(blank);
    }
}

static int ask_engine(struct wr_blank *blank, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(WR_ACTION_MAX);
    const struct wr_create_spec spec = {.template_name = blank->pool->template_name};
    const struct wr_create_tokens tokens = {.access = blank->token, .control = blank->control};
    int r = wr_create_write(&json, &spec, &tokens, true);

    r = r < 0 ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "blank sandbox")
              : wr_record_call(blank->pool->blanks->server, WR_ACTION_CREATE, &json, on_created,
                               blank, err);
    if (json.data)
        explicit_bzero(json.data, json.cap);
    return r;
}

void wr_blank_make(struct wr_blank_pool *pool)
{
    struct wr_blanks *blanks = pool->blanks;
    struct wr_blank *blank = wr_calloc(1, sizeof *blank);
    struct wr_error error = {0};

    if (!blank) {
        wr_blanks_plan(blanks, RETRY_FIRST_MS);
        return;
    }
    blank->pool = pool;
    blank->ask_ms = ASK_FIRST_MS;
    blank->began_ms = wr_loop_now_ms(blanks->server->loop);
    wr_create_token(blank->token);
    wr_create_token(blank->control);
    wr_list_append(&blanks->all, &blank->link);
    pool->count++;
    blanks->making = blank;
    if (ask_engine(blank, &error) < 0)
        wr_blank_failed(blank, &error);
    else
        blank->engine_asked = true;
}
