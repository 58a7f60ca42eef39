#include "server/volume_content.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/api/errors.h"
#include "server/create_action.h"
#include "server/ingress/dial.h"
#include "server/ingress/forward.h"
#include "server/ingress/proxy.h"
#include "server/records.h"
#include "server/server.h"
#include "server/volume_mounts.h"

#define MAX_CONTENTS 32 /* volumes whose files are served at a time */
#define MAX_OF_TEAM  16
#define MAX_WAITERS  64 /* requests that wait for one to start */
#define IDLE_MS      60000
#define TEMPLATE     "base"

struct wr_volume_contents {
    struct wr_server *server;
    struct wr_list all;
    size_t count, ending;
};

struct content {
    struct wr_list link; /* unlinked: it only waits for the engine's answer */
    struct wr_volume_contents *contents;
    char volume_id[WR_UUID_LEN + 1];
    char team_id[WR_UUID_LEN + 1];
    char token[WR_TOKEN_LEN + 1];
    struct wr_sandbox *sandbox; /* owned; NULL before the engine has answered */
    bool asked;                 /* the engine's answer comes, whatever happens */
    struct wr_list waiters;
    size_t waiter_count;
    uint64_t used_ms; /* monotonic: the last request began, or was seen running */
    struct wr_timer timer;
};

/* A request that waits for the start. */
struct waiter {
    struct wr_list link; /* unlinked: it was answered */
    struct content *content;
    struct wr_exchange *ex;
};

/* ---- errors ---- */

void wr_volume_content_refuse(struct wr_exchange *ex, int status, const char *code,
                              const char *message)
{
    wr_auto_buf body = WR_BUF(2048);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "code", code);
    wr_jw_kstr(&w, "message", message);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        wr_exchange_abort(ex);
    else
        wr_exchange_reply(ex, status, "application/json", wr_buf_ptr(&body), body.len);
}

void wr_volume_content_fail(struct wr_exchange *ex, const struct wr_error *error)
{
    wr_volume_content_refuse(ex, wr_api_status(error), wr_code_name((enum wr_code)error->code),
                             error->msg);
}

static void refuse(struct wr_exchange *ex, const char *text)
{
    wr_volume_content_refuse(ex, 503, wr_code_name(WR_E_UNAVAILABLE), text);
}

/* ---- the end of one ---- */

static void on_killed(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct wr_volume_contents *contents = data;

    (void)reply;
    contents->ending--;
    if (error && error->code != WR_E_NOT_FOUND)
        wr_log(WR_LOG_WARN, "the sandbox of a volume's content was not killed", "error", error->msg,
               NULL);
}

static void kill_sandbox(struct wr_volume_contents *contents, const char *id)
{
    struct wr_error error = {0};

    if (wr_record_kill(contents->server, id, on_killed, contents, &error) == 0)
        contents->ending++;
    else
        wr_log(WR_LOG_WARN, "the sandbox of a volume's content was not killed", "error", error.msg,
               NULL);
}

static void drop_record(struct content *content)
{
    struct wr_sandbox *sandbox = wr_steal_ptr(&content->sandbox);

    if (!sandbox)
        return;
    /* Hidden first: what is cut must not dial again. */
    sandbox->state = WR_SANDBOX_KILLING;
    wr_dial_drop_all(sandbox);
    wr_sandbox_record_free(sandbox);
}

/* Takes it out of everything without touching the sandbox; `why` is for those who wait. The memory
 * stays as long as the engine owes an answer. */
static void let_go(struct content *content, const struct wr_error *why)
{
    if (wr_list_linked(&content->link)) {
        wr_list_remove(&content->link);
        content->contents->count--;
    }
    wr_timer_stop(&content->timer);
    while (!wr_list_empty(&content->waiters)) {
        struct waiter *waiter = wr_list_entry(content->waiters.next, struct waiter, link);
        wr_list_remove(&waiter->link);
        wr_exchange_pause(waiter->ex, false);
        wr_volume_content_fail(waiter->ex, why);
    }
    drop_record(content);
    if (content->asked)
        return;
    explicit_bzero(content->token, sizeof content->token);
    free(content);
}

static void end(struct content *content, const char *why)
{
    struct wr_error error = {0};

    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "%s", why);
    if (content->sandbox)
        kill_sandbox(content->contents, content->sandbox->id);
    let_go(content, &error);
}

/* ---- idle ones ---- */

static bool in_use(const struct content *content)
{
    const struct wr_sandbox *sandbox = content->sandbox;

    if (!sandbox || !wr_list_empty(&sandbox->waiters) || !wr_list_empty(&sandbox->retrying))
        return true;
    /* The idle connections come first. */
    return !wr_list_empty(&sandbox->connections) &&
           wr_list_entry(sandbox->connections.prev, struct wr_upstream, link)->busy;
}

static void watch(struct content *content, uint64_t delay_ms);

static void on_idle(struct wr_timer *timer, void *data)
{
    struct content *content = data;
    uint64_t now_ms = wr_loop_now_ms(content->contents->server->loop);

    (void)timer;
    if (in_use(content))
        content->used_ms = now_ms;
    if (now_ms - content->used_ms >= IDLE_MS)
        end(content, "nothing was asked for a while");
    else
        watch(content, IDLE_MS - (now_ms - content->used_ms));
}

static void watch(struct content *content, uint64_t delay_ms)
{
    struct wr_error error = {0};

    if (wr_timer_start(content->contents->server->loop, &content->timer, delay_ms, on_idle, content,
                       &error) < 0)
        wr_log(WR_LOG_ERROR, "no timer for the sandbox of a volume's content", "error", error.msg,
               NULL);
}

/* Ends the one that was not used for longest. NULL as team: of all teams. */
static bool make_room(struct wr_volume_contents *contents, const char *team_id)
{
    struct content *oldest = NULL;

    wr_list_foreach(it, &contents->all) {
        struct content *content = wr_list_entry(it, struct content, link);
        if ((team_id && !wr_streq(content->team_id, team_id)) || in_use(content))
            continue;
        if (!oldest || content->used_ms < oldest->used_ms)
            oldest = content;
    }
    if (oldest)
        end(oldest, "others needed its place");
    return oldest != NULL;
}

/* ---- requests ---- */

static struct wr_sandbox *find_running(const struct wr_server *server, const char *id)
{
    return wr_volume_contents_find(server, id);
}

/* "/volumecontent/<id>/<what>": the agent knows one volume, and is not told its id. */
static char *agent_target(const struct wr_h1_head *head)
{
    wr_auto_free char *target = wr_forward_target(head);
    const char *id = target ? strchr(target + 1, '/') : NULL;
    const char *rest = id ? strchr(id + 1, '/') : NULL;

    return rest ? wr_asprintf("/volumecontent%s", rest) : NULL;
}

static void on_proxy_failure(struct wr_exchange *ex, const struct wr_proxy_failure *failure)
{
    struct wr_error error = {0};

    if (failure->error && failure->error->code == WR_E_RESOURCE_EXHAUSTED)
        (void)wr_fail(&error, WR_E_RESOURCE_EXHAUSTED, 0,
                      "too many requests to this volume at a time (at most %u)",
                      wr_upstream_limit(failure->server));
    else
        (void)wr_fail(&error, WR_E_UNAVAILABLE, 0,
                      "the volume's files are not served at the moment; try again");
    wr_volume_content_fail(ex, &error);
}

static const struct wr_proxy_rules rules = {
    .find = find_running,
    .target = agent_target,
    .fail = on_proxy_failure,
    .own_credentials = true,
};

static void forward(struct content *content, struct wr_exchange *ex)
{
    struct wr_server *server = content->contents->server;

    content->used_ms = wr_loop_now_ms(server->loop);
    wr_proxy_start(server, ex, &rules, content->sandbox->id, WR_AGENT_PORT);
}

static void on_waiter_close(struct wr_exchange *ex, bool aborted, void *data)
{
    struct waiter *waiter = data;

    (void)ex;
    (void)aborted;
    if (wr_list_linked(&waiter->link)) {
        wr_list_remove(&waiter->link);
        waiter->content->waiter_count--;
    }
    free(waiter);
}

static const struct wr_exchange_ops waiter_ops = {.on_close = on_waiter_close};
static const struct wr_exchange_ops no_ops = {.on_close = NULL};

static void wait_for(struct content *content, struct wr_exchange *ex)
{
    struct waiter *waiter =
        content->waiter_count < MAX_WAITERS ? wr_calloc(1, sizeof *waiter) : NULL;

    if (!waiter) {
        refuse(ex, "too many requests wait for this volume; try again");
        return;
    }
    waiter->content = content;
    waiter->ex = ex;
    wr_list_append(&content->waiters, &waiter->link);
    content->waiter_count++;
    wr_exchange_set_ops(ex, &waiter_ops, waiter);
    wr_exchange_pause(ex, true);
}

static void forward_waiters(struct content *content)
{
    content->waiter_count = 0;
    while (content->sandbox && !wr_list_empty(&content->waiters)) {
        struct waiter *waiter = wr_list_entry(content->waiters.next, struct waiter, link);
        struct wr_exchange *ex = waiter->ex;
        wr_list_remove(&waiter->link);
        free(waiter);
        wr_exchange_set_ops(ex, &no_ops, NULL);
        forward(content, ex);
    }
}

/* ---- the start of one ---- */

static int take_created(struct content *content, const struct wr_engine_reply *reply,
                        struct wr_error *err)
{
    struct wr_record seen;

    int r = wr_record_read(reply->json, &seen, err);
    if (r == 0)
        r = wr_sandbox_record_new(seen.id, &content->sandbox, err);
    if (r == 0)
        r = wr_record_fill(content->sandbox, &seen, err);
    if (r < 0)
        return r;
    content->sandbox->internal = true;
    memcpy(content->sandbox->envd_token, content->token, sizeof content->token);
    memcpy(content->sandbox->team_id, content->team_id, sizeof content->team_id);
    wr_sandbox_keep_sockets(content->sandbox, reply->fds, reply->fd_count);
    return 0;
}

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct content *content = data;
    struct wr_error own = {0};

    content->asked = false;
    if (!error && take_created(content, reply, &own) < 0)
        error = &own;
    if (error) {
        wr_log(WR_LOG_WARN, "no sandbox for the content of a volume", "volume", content->volume_id,
               "error", error->msg, NULL);
        /* Whatever it is, the client has not asked for a sandbox. */
        (void)wr_fail(&own, WR_E_UNAVAILABLE, 0, "the volume's files cannot be served: %.180s",
                      error->msg);
        let_go(content, &own);
    } else if (!wr_list_linked(&content->link)) {
        end(content, "the volume is being removed");
    } else {
        watch(content, IDLE_MS);
        forward_waiters(content);
    }
}

static int ask_engine(struct content *content, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(WR_ACTION_MAX);
    struct wr_volume_mounts mounts = {.count = 1};
    const struct wr_create_spec spec = {
        .template_name = TEMPLATE,
        .limits = {.cpu_millis = 1000,
                   .memory_bytes = 256 * WR_MIB,
                   .disk_bytes = WR_DISK_BYTES_MIN,
                   .pids = 64},
        .mounts = &mounts,
        .content = true,
    };

    memcpy(mounts.items[0].volume_id, content->volume_id, sizeof content->volume_id);
    memcpy(mounts.items[0].path, WR_ACTION_CONTENT_PATH, sizeof WR_ACTION_CONTENT_PATH);
    /* Nobody will ever have news for it. */
    const struct wr_create_tokens tokens = {content->token, ""};
    int r = wr_create_write(&json, &spec, &tokens, false);
    r = r < 0 ? wr_fail(err, WR_E_UNAVAILABLE, -r, "content of a volume")
              : wr_record_call(content->contents->server, WR_ACTION_CREATE, &json, on_created,
                               content, err);
    if (json.data)
        explicit_bzero(json.data, json.cap);
    return r;
}

static struct content *start(struct wr_volume_contents *contents,
                             const struct wr_store_volume *volume, struct wr_error *err)
{
    struct content *content = wr_calloc(1, sizeof *content);

    if (!content) {
        (void)wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "content of a volume");
        return NULL;
    }
    content->contents = contents;
    memcpy(content->volume_id, volume->id, sizeof content->volume_id);
    memcpy(content->team_id, volume->team_id, sizeof content->team_id);
    wr_create_token(content->token);
    wr_list_init(&content->waiters);
    if (ask_engine(content, err) < 0) {
        free(content);
        return NULL;
    }
    content->asked = true;
    content->used_ms = wr_loop_now_ms(contents->server->loop);
    wr_list_append(&contents->all, &content->link);
    contents->count++;
    return content;
}

static struct content *find(struct wr_volume_contents *contents, const char *volume_id)
{
    wr_list_foreach(it, &contents->all) {
        struct content *content = wr_list_entry(it, struct content, link);
        if (wr_streq(content->volume_id, volume_id))
            return content;
    }
    return NULL;
}

/* Whether one more may start. */
static bool have_room(struct wr_volume_contents *contents, const char *team_id)
{
    size_t own = 0;

    wr_list_foreach(it, &contents->all)
        own += wr_streq(wr_list_entry(it, struct content, link)->team_id, team_id);
    if (own >= MAX_OF_TEAM)
        return make_room(contents, team_id);
    return contents->count < MAX_CONTENTS || make_room(contents, NULL);
}

void wr_volume_content_serve(struct wr_server *server, const struct wr_store_volume *volume,
                             struct wr_exchange *ex)
{
    struct wr_volume_contents *contents = server->contents;
    struct content *content = find(contents, volume->id);
    struct wr_error error = {0};

    if (!content && (server->draining || server->stopping)) {
        refuse(ex, "the server is ending; try again");
        return;
    }
    if (!content && !have_room(contents, volume->team_id)) {
        refuse(ex, "the files of too many volumes are read and written at the moment; try again");
        return;
    }
    if (!content)
        content = start(contents, volume, &error);
    if (!content)
        wr_volume_content_fail(ex, &error);
    else if (content->sandbox)
        forward(content, ex);
    else
        wait_for(content, ex);
}

/* ---- all of them ---- */

void wr_volume_content_end(struct wr_server *server, const char *volume_id)
{
    struct content *content = find(server->contents, volume_id);

    if (content)
        end(content, "the volume is being removed");
}

struct wr_sandbox *wr_volume_contents_find(const struct wr_server *server, const char *id)
{
    wr_list_foreach(it, &server->contents->all) {
        const struct content *content = wr_list_entry(it, struct content, link);
        if (content->sandbox && wr_streq(content->sandbox->id, id))
            return content->sandbox;
    }
    return NULL;
}

void wr_volume_contents_gone(struct wr_volume_contents *contents, const char *id)
{
    struct wr_error error = {0};

    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "what served the volume's files has ended");
    wr_list_foreach(it, &contents->all) {
        struct content *content = wr_list_entry(it, struct content, link);
        if (!content->sandbox || !wr_streq(content->sandbox->id, id))
            continue;
        wr_log(WR_LOG_WARN, "the sandbox of a volume's content has ended", "volume",
               content->volume_id, NULL);
        let_go(content, &error);
        return;
    }
}

void wr_volume_contents_forget(struct wr_volume_contents *contents)
{
    struct wr_error error = {0};

    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the engine was restarted; try again");
    while (!wr_list_empty(&contents->all))
        let_go(wr_list_entry(contents->all.next, struct content, link), &error);
}

void wr_volume_contents_stop(struct wr_volume_contents *contents)
{
    while (!wr_list_empty(&contents->all))
        end(wr_list_entry(contents->all.next, struct content, link), "the server is ending");
}

size_t wr_volume_contents_ending(const struct wr_volume_contents *contents)
{
    return contents->ending;
}

int wr_volume_contents_new(struct wr_server *server, struct wr_volume_contents **ret,
                           struct wr_error *err)
{
    struct wr_volume_contents *contents = wr_calloc(1, sizeof *contents);

    if (!contents)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "contents of volumes");
    contents->server = server;
    wr_list_init(&contents->all);
    *ret = contents;
    return 0;
}

struct wr_volume_contents *wr_volume_contents_free(struct wr_volume_contents *contents)
{
    if (!contents)
        return NULL;
    wr_volume_contents_forget(contents);
    free(contents);
    return NULL;
}
