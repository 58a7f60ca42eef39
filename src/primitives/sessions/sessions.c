#include "primitives/sessions/sessions.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "base/rand.h"
#include "base/rfc3339.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/sessions/owner.h"

#define DEFAULT_IDLE_S     3600
#define DEFAULT_MAX        100
#define CREATE_TIMEOUT_MS  ((uint64_t)60000)
#define LEASE_MARGIN_MS    60000
#define CLEANUP_TIMEOUT_MS 10000
#define ID_LETTERS         "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static const char *const state_names[] = {
    [WR_SESSION_CREATING] = "creating",
    [WR_SESSION_RUNNING] = "running",
    [WR_SESSION_PAUSED] = "paused",
};

static int check_id(const char *id, struct wr_error *err)
{
    if (!id || !wr_str_only(id, ID_LETTERS, 1, WR_SESSION_ID_MAX - 1))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "session \"%.60s\": its id has 1 to %d of the characters A-Z a-z 0-9 . _ -",
                       id ? id : "", WR_SESSION_ID_MAX - 1);
    return 0;
}

/* ---- the list ---- */

static int init(struct wr_sessions *sessions, struct wr_client *client,
                const struct wr_sessions_opts *opts, struct wr_error *err)
{
    sessions->idle_timeout_s = opts->idle_timeout_s ? opts->idle_timeout_s : DEFAULT_IDLE_S;
    sessions->max_sessions = opts->max_sessions ? opts->max_sessions : DEFAULT_MAX;
    int r = wr_supply_template_init(&sessions->tmpl, opts->sandbox, err);
    if (r < 0)
        return r;
    sessions->client = client ? wr_client_ref(client) : wr_client_new(NULL, err);
    if (!sessions->client)
        return -err->code;
    return wr_session_store_open(opts->path, wr_client_name(sessions->client), &sessions->store,
                                 err);
}

struct wr_sessions *wr_sessions_open(struct wr_client *client, const struct wr_sessions_opts *given,
                                     struct wr_error *err)
{
    struct wr_sessions_opts opts;

    if (wr_options_read(given, &opts, sizeof opts, "wr_sessions_opts", err) < 0)
        return NULL;
    struct wr_sessions *sessions = wr_calloc(1, sizeof *sessions);
    if (!sessions) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sessions");
        return NULL;
    }
    (void)pthread_mutex_init(&sessions->lock, NULL);
    if (init(sessions, client, &opts, err) < 0)
        return wr_sessions_free(sessions);
    /* A server that does not answer now is asked again later. */
    wr_sessions_reconcile_once(sessions, &(struct wr_wait){.timeout_ms = CLEANUP_TIMEOUT_MS});
    return sessions;
}

struct wr_sessions *wr_sessions_free(struct wr_sessions *sessions)
{
    if (!sessions)
        return NULL;
    wr_session_store_close(sessions->store);
    wr_supply_template_done(&sessions->tmpl);
    wr_client_free(sessions->client);
    (void)pthread_mutex_destroy(&sessions->lock);
    free(sessions);
    return NULL;
}

int wr_sessions_list(struct wr_sessions *sessions, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_free struct wr_session_row *rows = NULL;
    wr_auto_json *list = json_array();
    size_t count = 0;

    int r = wr_session_store_list(sessions->store, &rows, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        char created[25], used[25];
        wr_format_rfc3339((uint64_t)rows[i].created_ms, created);
        wr_format_rfc3339((uint64_t)rows[i].used_ms, used);
        if (json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", rows[i].id,
                                                  "sandbox_id", rows[i].sandbox_id, "state",
                                                  state_names[rows[i].state], "created_at", created,
                                                  "used_at", used)) < 0)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the list of sessions");
    }
    if (r == 0)
        *ret = wr_value_of_json(json_incref(list));
    return r;
}

/* ---- making one ---- */

static void fill_row(const char *id, uint64_t create_ms, struct wr_session_row *ret)
{
    int64_t now_ms = (int64_t)wr_wall_ms();

    *ret = (struct wr_session_row){.state = WR_SESSION_CREATING,
                                   .lease_end_ms = now_ms + (int64_t)create_ms + LEASE_MARGIN_MS,
                                   .created_ms = now_ms,
                                   .used_ms = now_ms};
    (void)!wr_strcopy(ret->id, sizeof ret->id, id); /* its length was checked */
    wr_random_id(ret->tag, WR_SESSION_TAG_LEN);
    wr_owner_self(ret->owner);
}

static int create_sandbox(struct wr_sessions *sessions, const struct wr_session_row *row,
                          const struct wr_wait *wait, struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_sandbox_opts opts = sessions->tmpl.opts;
    wr_auto_free const char *const *metadata = NULL;
    const struct wr_metadata_pair pairs[] = {
        {WR_SESSION_STORE_KEY, wr_session_store_id(sessions->store)},
        {WR_SESSION_TAG_KEY, row->tag},
        {"session_id", row->id},
    };

    int r = wr_supply_template_metadata(&sessions->tmpl, pairs, WR_ARRAY_SIZE(pairs), &metadata,
                                        &opts.metadata_count, err);
    if (r < 0)
        return r;
    opts.metadata = metadata;
    opts.timeout_s = sessions->idle_timeout_s;
    return wr_sandbox_create(sessions->client, &opts, wait, ret, err);
}

/* The error of the create stays; whatever cannot be cleaned up now is left to a reconcile. */
static void undo(struct wr_sessions *sessions, const struct wr_session_row *row)
{
    const struct wr_wait wait = {.timeout_ms = CLEANUP_TIMEOUT_MS};
    struct wr_error ignored = {0};

    (void)!wr_sessions_kill_tag(sessions, row->tag, &wait, &ignored);
    (void)!wr_session_store_remove(sessions->store, row->tag, &ignored);
}

int wr_sessions_create(struct wr_sessions *sessions, const char *id, const struct wr_wait *wait,
                       struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_wait own = wait ? *wait : (struct wr_wait){0};
    struct wr_session_row row;
    struct wr_sandbox *sandbox = NULL;
    bool there = false;

    int r = check_id(id, err);
    if (r < 0)
        return r;
    own.timeout_ms = own.timeout_ms ? own.timeout_ms : CREATE_TIMEOUT_MS;
    wr_sessions_reconcile_once(sessions, &own);
    fill_row(id, own.timeout_ms, &row);
    r = wr_session_store_add(sessions->store, &row, sessions->max_sessions, err);
    if (r < 0)
        return r;
    r = create_sandbox(sessions, &row, &own, &sandbox, err);
    if (r == 0)
        r = wr_session_store_set(sessions->store, row.tag, WR_SESSION_RUNNING,
                                 wr_sandbox_id(sandbox), &there, err);
    if (r == 0 && !there)
        r = wr_fail(err, WR_E_ABORTED, 0, "session %s was closed while it was made", id);
    if (r == 0) {
        *ret = sandbox;
        return 0;
    }
    undo(sessions, &row);
    wr_sandbox_free(sandbox);
    return r;
}

/* ---- those that are there ---- */

/* For a session whose sandbox is not there: forgets it. NOT_FOUND, unless that fails. */
static int forget(struct wr_sessions *sessions, const struct wr_session_row *row,
                  struct wr_error *err)
{
    int r = wr_session_store_remove(sessions->store, row->tag, err);

    return r < 0 ? r
                 : wr_fail(err, WR_E_NOT_FOUND, 0,
                           "session %.128s: its sandbox has ended, and what was in it is gone",
                           row->id);
}

static int fail_unmade(const char *id, struct wr_error *err)
{
    return wr_fail(err, WR_E_UNAVAILABLE, 0, "session %.128s is still being made", id);
}

/* One that has a sandbox. */
static int get_made(struct wr_sessions *sessions, const char *id, struct wr_session_row *ret,
                    struct wr_error *err)
{
    int r = check_id(id, err);

    if (r == 0)
        r = wr_session_store_get(sessions->store, id, ret, err);
    if (r == 0 && ret->state == WR_SESSION_CREATING)
        r = fail_unmade(id, err);
    return r;
}

int wr_sessions_resume_made(struct wr_sessions *sessions, const char *id,
                            const struct wr_wait *wait, struct wr_sandbox **ret,
                            struct wr_error *err)
{
    struct wr_session_row row;
    struct wr_sandbox *sandbox = NULL;
    bool there = false;

    int r = check_id(id, err);
    if (r == 0)
        r = wr_session_store_get(sessions->store, id, &row, err);
    if (r < 0)
        return r;
    if (row.state == WR_SESSION_CREATING)
        return 1;
    r = wr_sandbox_connect(sessions->client, row.sandbox_id, sessions->idle_timeout_s, wait,
                           &sandbox, err);
    if (r < 0)
        return r == -WR_E_NOT_FOUND ? forget(sessions, &row, err) : r;
    r = wr_session_store_set(sessions->store, row.tag, WR_SESSION_RUNNING, NULL, &there, err);
    if (r == 0 && !there)
        r = wr_fail(err, WR_E_NOT_FOUND, 0, "session %s was closed meanwhile", id);
    if (r == 0)
        *ret = sandbox;
    else
        wr_sandbox_free(sandbox);
    return r;
}

int wr_sessions_resume(struct wr_sessions *sessions, const char *id, const struct wr_wait *wait,
                       struct wr_sandbox **ret, struct wr_error *err)
{
    int r = wr_sessions_resume_made(sessions, id, wait, ret, err);

    return r > 0 ? fail_unmade(id, err) : r;
}

int wr_sessions_pause(struct wr_sessions *sessions, const char *id, const struct wr_wait *wait,
                      struct wr_error *err)
{
    struct wr_session_row row;
    bool there = false;

    int r = get_made(sessions, id, &row, err);
    if (r < 0)
        return r;
    /* Also when it should be paused already: others may have resumed it. */
    r = wr_sandbox_pause_id(sessions->client, row.sandbox_id, NULL, wait, NULL, err);
    if (r < 0)
        return r == -WR_E_NOT_FOUND ? forget(sessions, &row, err) : r;
    return wr_session_store_set(sessions->store, row.tag, WR_SESSION_PAUSED, NULL, &there, err);
}

int wr_sessions_close(struct wr_sessions *sessions, const char *id, const struct wr_wait *wait,
                      struct wr_error *err)
{
    struct wr_session_row row;
    struct wr_error found = {0};

    int r = check_id(id, err);
    if (r < 0)
        return r;
    r = wr_session_store_get(sessions->store, id, &row, &found);
    if (found.code == WR_E_NOT_FOUND)
        return 0;
    if (r < 0) {
        *err = found;
        return r;
    }
    /* The row goes last: it is what a reconcile needs to know until the sandbox is gone. One that
     * is being made finds its row missing, and kills its sandbox itself. */
    if (row.state != WR_SESSION_CREATING)
        r = wr_sandbox_kill_id(sessions->client, row.sandbox_id, wait, err);
    return r < 0 ? r : wr_session_store_remove(sessions->store, row.tag, err);
}
