#include "server/api/logs.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/agent_log.h"
#include "server/api/errors.h"
#include "server/api/log_query.h"
#include "server/ingress/dial.h"
#include "server/log_lines.h"
#include "server/request.h"
#include "server/server.h"

#define RUNNING_MAX      64   /* each holds up to 2 MiB of lines */
#define AGENT_TIMEOUT_MS 5000 /* then the answer is without the output of processes */
/* In the old form each message is there twice, once as JSON in JSON: in the worst case 18 bytes for
 * each. */
#define LOGS_MAX_BYTES   ((size_t)32 * 1024 * 1024)

/* Lives until the exchange is closed and the agent has answered. */
struct logs {
    struct wr_server *server;
    struct wr_exchange *ex; /* NULL once closed */
    bool old_form;
    char id[WR_ID_LEN + 1];
    char search[WR_LOG_SEARCH_MAX + 1];
    struct wr_log_query query;
    struct wr_log_lines recorded, output;
    struct wr_agent_log agent_log;
    /* The question to the agent. */
    struct wr_dial dial;
    struct wr_upstream *upstream;
    struct wr_http_call *call;
    struct wr_timer timeout;
    int status;
    bool asking;
    bool running; /* counted in server->running_logs */
};

static void drop_lines(struct logs *logs)
{
    wr_log_lines_done(&logs->recorded);
    wr_log_lines_done(&logs->output);
    if (logs->running)
        logs->server->running_logs--;
    logs->running = false;
}

static void free_logs(struct logs *logs)
{
    drop_lines(logs);
    wr_agent_log_done(&logs->agent_log);
    free(logs);
}

/* ---- shapes ---- */

static void write_fields(struct wr_jw *w, const json_t *fields)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)fields, name, value)
        wr_jw_kstr(w, name, json_string_value(value));
}

static void write_entry(const struct wr_log_line *line, void *data)
{
    struct wr_jw *w = data;
    char time[25];

    wr_format_rfc3339(line->at_ms, time);
    wr_jw_object(w);
    wr_jw_kstr(w, "timestamp", time);
    wr_jw_kstr(w, "message", line->message);
    wr_jw_kstr(w, "level", wr_log_level_names[line->level]);
    wr_jw_key(w, "fields");
    wr_jw_object(w);
    write_fields(w, line->fields);
    wr_jw_end(w);
    wr_jw_end(w);
}

/* `line` is a JSON text itself; clients look for `level` and `logger` in it. */
static void write_old_entry(const struct wr_log_line *line, void *data)
{
    wr_auto_buf text = WR_BUF(LOGS_MAX_BYTES);
    struct wr_jw *w = data, inner;
    char time[25];

    wr_jw_init(&inner, &text);
    wr_jw_object(&inner);
    wr_jw_kstr(&inner, "level", wr_log_level_names[line->level]);
    wr_jw_kstr(&inner, "message", line->message);
    write_fields(&inner, line->fields);
    wr_jw_end(&inner);
    if (wr_jw_finish(&inner) < 0)
        return;
    wr_format_rfc3339(line->at_ms, time);
    wr_jw_object(w);
    wr_jw_kstr(w, "timestamp", time);
    wr_jw_key(w, "line");
    wr_jw_strn(w, wr_buf_ptr(&text), text.len);
    wr_jw_end(w);
}

static void reply(struct logs *logs)
{
    wr_auto_buf body = WR_BUF(LOGS_MAX_BYTES);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_key(&w, "logs");
    wr_jw_array(&w);
    wr_log_lines_merge(&logs->recorded, &logs->output,
                       logs->old_form ? write_old_entry : write_entry, &w);
    wr_jw_end(&w);
    if (logs->old_form) {
        wr_jw_key(&w, "logEntries");
        wr_jw_array(&w);
        wr_log_lines_merge(&logs->recorded, &logs->output, write_entry, &w);
        wr_jw_end(&w);
    }
    wr_jw_end(&w);
    /* The client may take its time with the answer. */
    drop_lines(logs);
    wr_api_reply_json(logs->ex, 200, &body, wr_jw_finish(&w));
}

/* ---- from the store ---- */

/* Values that are no strings become their JSON text. */
static json_t *fields_of(const struct wr_log_entry *entry)
{
    wr_auto_json *stored = NULL;
    json_t *fields = json_object(), *value;
    struct wr_error ignored = {0};
    const char *name;

    if (entry->type) {
        (void)json_object_set_new(fields, "logger", json_string("lifecycle"));
        (void)json_object_set_new(fields, "event", json_string(entry->type));
    }
    if (wr_json_parse(entry->fields, strlen(entry->fields), &stored, &ignored) < 0)
        return fields;
    json_object_foreach(stored, name, value) {
        wr_auto_free char *text =
            json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        (void)json_object_set_new(fields, name,
                                  json_string(text ? text : json_string_value(value)));
    }
    return fields;
}

static void take_recorded(const struct wr_log_entry *entry, void *data)
{
    struct wr_log_lines *lines = data;
    json_t *fields = fields_of(entry);

    (void)wr_log_lines_add(lines, entry, fields);
    json_decref(fields);
}

/* The store gives them in the query's direction; lines are added in the order of time. */
static int read_recorded(struct logs *logs, struct wr_error *err)
{
    struct wr_log_query query = logs->query;

    if (!query.backward)
        return wr_store_log_read(logs->server->store, &query, take_recorded, &logs->recorded, err);
    struct wr_log_lines newest_first = {0};
    query.backward = false;
    query.cursor_ms = 0;
    int r = wr_log_lines_init(&newest_first, &query, err);
    if (r == 0)
        r = wr_store_log_read(logs->server->store, &logs->query, take_recorded, &newest_first, err);
    for (size_t i = newest_first.count; r == 0 && i > 0; i--) {
        const struct wr_log_line *line = &newest_first.items[i - 1];
        const struct wr_log_entry entry = {
            .at_ms = line->at_ms, .level = line->level, .message = line->message};
        (void)wr_log_lines_add(&logs->recorded, &entry, line->fields);
    }
    wr_log_lines_done(&newest_first);
    return r;
}

/* ---- from the agent ---- */

static bool take_output(const struct wr_agent_line *line, void *data)
{
    struct logs *logs = data;
    const struct wr_log_entry entry = {
        .at_ms = line->at_ms,
        .level = wr_streq(line->stream, "stderr") ? WR_LEVEL_WARN : WR_LEVEL_INFO,
        .message = line->text,
    };
    char pid[24];

    if (!wr_strformat(pid, sizeof pid, "%lld", (long long)line->pid))
        return true;
    json_t *fields =
        json_pack("{s:s, s:s, s:s}", "logger", "process", "stream", line->stream, "pid", pid);
    bool more = wr_log_lines_add(&logs->output, &entry, fields);
    json_decref(fields);
    return more;
}

/* What has come so far is the answer. Frees `logs` when its exchange is closed. */
static void finish(struct logs *logs)
{
    logs->asking = false;
    wr_timer_stop(&logs->timeout);
    wr_dial_cancel(&logs->dial);
    if (logs->call)
        wr_http_call_cancel(wr_steal_ptr(&logs->call));
    if (logs->upstream)
        wr_upstream_close(wr_steal_ptr(&logs->upstream));
    if (logs->ex)
        reply(logs);
    else
        free_logs(logs);
}

static void on_head(struct wr_http_call *call, const struct wr_h1_head *head, void *data)
{
    struct logs *logs = data;

    (void)call;
    logs->status = head->status;
}

static void on_body(struct wr_http_call *call, const char *text, size_t len, void *data)
{
    struct logs *logs = data;

    (void)call;
    if (logs->status == 200 && !wr_agent_log_feed(&logs->agent_log, text, len, take_output, logs))
        finish(logs);
}

static void on_end(struct wr_http_call *call, const struct wr_error *err, void *data)
{
    struct logs *logs = data;

    (void)call;
    logs->call = NULL;
    if (err || logs->status != 200)
        wr_log(WR_LOG_DEBUG, "no log from the agent", "sandbox", logs->id, "error",
               err ? err->msg : "status", NULL);
    if (!err)
        wr_upstream_release(wr_steal_ptr(&logs->upstream));
    finish(logs);
}

static const struct wr_http_call_ops call_ops = {
    .on_head = on_head, .on_body = on_body, .on_end = on_end};

static void on_dialled(struct wr_dial *dial, struct wr_upstream *upstream,
                       const struct wr_error *error)
{
    struct logs *logs = wr_container_of(dial, struct logs, dial);
    struct wr_error own = {0};

    if (error) {
        finish(logs);
        return;
    }
    logs->upstream = upstream;
    if (wr_http_call_begin(upstream->conn, "GET", "/logs", &call_ops, logs, &logs->call, &own) <
        0) {
        finish(logs);
        return;
    }
    wr_http_call_header(logs->call, "Host", "localhost");
    if (*upstream->sandbox->envd_token)
        wr_http_call_header(logs->call, "X-Access-Token", upstream->sandbox->envd_token);
    wr_http_call_send(logs->call, NULL, 0);
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    (void)timer;
    finish(data);
}

static void ask_agent(struct logs *logs, struct wr_sandbox *sandbox)
{
    struct wr_error ignored = {0};

    logs->asking = true;
    if (wr_timer_start(logs->server->loop, &logs->timeout, AGENT_TIMEOUT_MS, on_timeout, logs,
                       &ignored) < 0) {
        finish(logs);
        return;
    }
    logs->dial = (struct wr_dial){.port = WR_AGENT_PORT, .fn = on_dialled};
    wr_dial_start(&logs->dial, logs->server, sandbox, true);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct logs *logs = data;

    (void)ex;
    (void)aborted;
    wr_server_touch(logs->server);
    logs->ex = NULL;
    if (logs->asking)
        finish(logs);
    else
        free_logs(logs);
}

static const struct wr_exchange_ops exchange_ops = {.on_close = on_close};

/* ---- requests ---- */

/* Whether the caller may read it: by the record of a running sandbox, by the events of a gone one.
 */
static int find_log(const struct wr_api_request *request, const char *param, char id[WR_ID_LEN + 1],
                    struct wr_sandbox **ret, struct wr_error *err)
{
    char team_id[WR_UUID_LEN + 1] = "";

    if (strcspn(param, "-") != WR_ID_LEN)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "no such id");
    memcpy(id, param, WR_ID_LEN);
    wr_events_flush(request->server);
    *ret = wr_sandbox_table_find(request->server->sandboxes, id);
    int r = *ret ? 0 : wr_store_event_team(request->server->store, id, team_id, err);
    if (r == 0 && !wr_principal_may_see(&request->who, *ret ? (*ret)->team_id : team_id))
        r = wr_fail(err, WR_E_NOT_FOUND, 0, "of another team");
    return r;
}

static void handle(struct wr_exchange *ex, const char *param, const struct wr_api_request *request,
                   bool old_form)
{
    struct wr_sandbox *sandbox = NULL;
    struct wr_error error = {0};
    char id[WR_ID_LEN + 1] = "";

    int r = find_log(request, param, id, &sandbox, &error);
    if (r == -WR_E_NOT_FOUND) {
        wr_api_no_sandbox(ex, param);
        return;
    }
    if (r == 0 && request->server->running_logs >= RUNNING_MAX)
        r = wr_fail(&error, WR_E_UNAVAILABLE, 0, "too many logs are being read; try again");
    struct logs *logs = r < 0 ? NULL : wr_calloc(1, sizeof *logs);
    if (!logs) {
        if (r == 0)
            (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "log");
        wr_api_fail(ex, &error);
        return;
    }
    logs->server = request->server;
    logs->server->running_logs++;
    logs->running = true;
    logs->ex = ex;
    logs->old_form = old_form;
    memcpy(logs->id, id, sizeof id);
    wr_agent_log_init(&logs->agent_log);
    r = wr_log_query_read(ex, old_form, &logs->query, logs->search, &error);
    logs->query.sandbox_id = logs->id;
    if (r == 0)
        r = wr_log_lines_init(&logs->recorded, &logs->query, &error);
    if (r == 0)
        r = wr_log_lines_init(&logs->output, &logs->query, &error);
    if (r == 0)
        r = read_recorded(logs, &error);
    wr_exchange_set_ops(ex, &exchange_ops, logs);
    if (r < 0)
        wr_api_fail(ex, &error);
    else if (sandbox && sandbox->state == WR_SANDBOX_RUNNING)
        ask_agent(logs, sandbox);
    else
        reply(logs);
}

void wr_api_logs(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    handle(ex, match->params[0], data, true);
}

void wr_api_logs_v2(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    handle(ex, match->params[0], data, false);
}
