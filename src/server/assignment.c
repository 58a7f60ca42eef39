#include "server/assignment.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rfc3339.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/blank.h"
#include "server/blanks.h"
#include "server/records.h"
#include "server/server.h"

#define INIT_TIMEOUT_MS 3000

static void assignment_over(struct wr_blank *blank, const struct wr_error *error)
{
    wr_assigned_fn fn = blank->fn;
    void *data = blank->data;
    struct wr_sandbox *sandbox = NULL;
    struct wr_blank_pool *pool = blank->pool;
    /* It may lie in what is freed here. */
    const struct wr_error failure = error ? *error : (struct wr_error){0};

    if (error) {
        wr_log(WR_LOG_WARN, "a blank sandbox could not be used", "sandbox", blank->sandbox->id,
               "template", pool->template_name, "error", error->msg, NULL);
        wr_blank_discard(blank);
    } else {
        sandbox = wr_steal_ptr(&blank->sandbox);
        wr_blank_let_go(blank);
    }
    wr_blanks_plan(pool->blanks, 0);
    fn(sandbox, failure.code ? &failure : NULL, data);
}

static void on_initialised(struct wr_agent_call *call, int status, const struct wr_error *error)
{
    struct wr_blank *blank = wr_container_of(call, struct wr_blank, agent);
    struct wr_error own = {0};

    if (!error && status != 204) {
        (void)wr_fail(&own, WR_E_INTERNAL, 0, "the agent answered with status %d", status);
        error = &own;
    }
    blank->agent_done = true;
    if (error || blank->engine_done)
        assignment_over(blank, error);
}

/* All of that template are of the old one. */
static void drop_ready(struct wr_blank_pool *pool)
{
    wr_list_foreach(it, &pool->blanks->all) {
        struct wr_blank *blank = wr_list_entry(it, struct wr_blank, link);
        if (blank->pool == pool && blank->state == WR_BLANK_READY)
            wr_blank_discard(blank);
    }
}

static void on_assigned(const struct wr_engine_reply *reply, const struct wr_error *error,
                        void *data)
{
    struct wr_blank *blank = data;
    struct wr_error own = {0};
    struct wr_record seen;

    blank->engine_asked = false;
    if (blank->state != WR_BLANK_ASSIGNING) {
        wr_blank_let_go(blank);
        return;
    }
    if (!error && (wr_record_read(reply->json, &seen, &own) < 0 ||
                   wr_record_fill(blank->sandbox, &seen, &own) < 0))
        error = &own;
    if (error && error->code == WR_E_FAILED_PRECONDITION)
        drop_ready(blank->pool);
    blank->engine_done = true;
    if (error || blank->agent_done)
        assignment_over(blank, error);
}

static int write_assign(const char *id, const struct wr_sandbox_limits *limits, struct wr_buf *out)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        {"cpuMillis", limits->cpu_millis},
        {"memoryBytes", limits->memory_bytes},
        {"diskBytes", limits->disk_bytes},
        {"pids", limits->pids},
    };
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "id", id);
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (rows[i].value)
            wr_jw_ku64(&w, rows[i].name, rows[i].value);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

static int write_init(const struct wr_assignment *assignment, struct wr_buf *out)
{
    char time[25];
    struct wr_jw w;
    const char *key;
    json_t *value;

    wr_format_rfc3339(wr_wall_ms(), time);
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "timestamp", time);
    if (*assignment->token)
        wr_jw_kstr(&w, "accessToken", assignment->token);
    wr_jw_kstr(&w, "controlToken", assignment->control_token);
    if (assignment->limits.cpu_millis)
        wr_jw_ku64(&w, "cpuMillis", assignment->limits.cpu_millis);
    if (assignment->env_vars) {
        wr_jw_key(&w, "envVars");
        wr_jw_object(&w);
        json_object_foreach((json_t *)(uintptr_t)assignment->env_vars, key, value)
            wr_jw_kstr(&w, key, json_string_value(value));
        wr_jw_end(&w);
    }
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

static struct wr_blank *find_ready(struct wr_blanks *blanks, const struct wr_assignment *assignment)
{
    uint64_t open_files = assignment->limits.open_files;

    wr_list_foreach(it, &blanks->all) {
        struct wr_blank *blank = wr_list_entry(it, struct wr_blank, link);
        if (blank->state == WR_BLANK_READY &&
            wr_streq(blank->pool->template_name, assignment->template_name) &&
            (open_files == 0 || open_files == blank->sandbox->limits.open_files))
            return blank;
    }
    return NULL;
}

bool wr_blanks_assign(struct wr_blanks *blanks, const struct wr_assignment *assignment,
                      wr_assigned_fn fn, void *data)
{
    wr_auto_buf json = WR_BUF(512);
    struct wr_buf body = WR_BUF(WR_ACTION_MAX);
    struct wr_blank *blank = find_ready(blanks, assignment);
    struct wr_error error = {0};

    wr_blanks_wait(blanks);
    if (!blank)
        return false;
    blank->fn = fn;
    blank->data = data;
    if (write_assign(blank->sandbox->id, &assignment->limits, &json) < 0 ||
        write_init(assignment, &body) < 0 ||
        wr_record_call(blanks->server, WR_ACTION_ASSIGN, &json, on_assigned, blank, &error) < 0) {
        if (body.data)
            explicit_bzero(body.data, body.cap);
        wr_buf_done(&body);
        return false;
    }
    blank->engine_asked = true;
    wr_blank_set_state(blank, WR_BLANK_ASSIGNING);
    struct wr_agent_call *call = &blank->agent;
    call->method = "POST";
    call->path = "/init";
    call->token = blank->token;
    call->control = blank->control;
    call->timeout_ms = INIT_TIMEOUT_MS;
    call->fn = on_initialised;
    wr_agent_call_start(call, blanks->server, blank->sandbox, &body);
    return true;
}

void wr_blanks_discard(struct wr_blanks *blanks, struct wr_sandbox *sandbox)
{
    wr_blanks_kill(blanks, sandbox->id);
    wr_blank_free_record(sandbox);
}
