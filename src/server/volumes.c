#include "server/volumes.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/server.h"
#include "server/volume_content.h"
#include "server/volume_mounts.h"

#define RETRY_MS         50
/* A sandbox that was just killed lets go of its mounts in a moment. */
#define PATIENCE_MS      5000
/* For what nobody waits. */
#define LONG_PATIENCE_MS 60000
#define NAMED_USERS      4

struct wr_volumes {
    struct wr_volume_key key;
    struct wr_list changes; /* that are under way */
};

/* The making or the end of one volume. */
struct change {
    struct wr_list link;
    struct wr_server *server;
    char id[WR_UUID_LEN + 1];
    wr_done_fn fn; /* NULL: nobody waits */
    void *data;
    bool marked; /* its row by this change: it can be taken back */
    bool no_row; /* the engine alone may have it */
    uint64_t give_up_ms;
    struct wr_timer retry;
};

static struct change *change_new(struct wr_server *server, const char *id, wr_done_fn fn,
                                 void *data)
{
    struct change *change = wr_calloc(1, sizeof *change);

    if (!change)
        return NULL;
    change->server = server;
    change->fn = fn;
    change->data = data;
    memcpy(change->id, id, sizeof change->id);
    wr_list_append(&server->volumes->changes, &change->link);
    return change;
}

static void change_free(struct change *change)
{
    wr_timer_stop(&change->retry);
    wr_list_remove(&change->link);
    free(change);
}

static void finish(struct change *change, const struct wr_error *error)
{
    wr_done_fn fn = change->fn;
    void *data = change->data;

    change_free(change);
    if (fn)
        fn(error, data);
}

static struct change *find_change(const struct wr_server *server, const char *id)
{
    wr_list_foreach(it, &server->volumes->changes) {
        struct change *change = wr_list_entry(it, struct change, link);
        if (wr_streq(change->id, id))
            return change;
    }
    return NULL;
}

/* {"volume": id} and for a size above 0 "sizeBytes". */
static int ask_engine(struct change *change, enum wr_action action, uint64_t size_bytes,
                      wr_engine_fn fn, struct wr_error *err)
{
    wr_auto_buf json = WR_BUF(256);
    struct wr_jw w;

    wr_jw_init(&w, &json);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "volume", change->id);
    if (size_bytes)
        wr_jw_ku64(&w, "sizeBytes", size_bytes);
    wr_jw_end(&w);
    int r = wr_jw_finish(&w);
    if (r < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, -r, "volume %s", change->id);
    const struct wr_engine_request request = {
        .action = action, .json = wr_buf_ptr(&json), .len = json.len};
    return wr_engine_call(change->server->engine, &request, fn, change, err);
}

/* ---- the end ---- */

static int ask_to_remove(struct change *change, struct wr_error *err);

static void complain(const struct change *change, const struct wr_error *error)
{
    /* Its row stays marked: another DELETE, or the next start, tries again. */
    wr_log(WR_LOG_WARN, "a volume was not removed", "volume", change->id, "error", error->msg,
           NULL);
}

static void on_retry(struct wr_timer *timer, void *data)
{
    struct change *change = data;
    struct wr_error error = {0};

    (void)timer;
    if (ask_to_remove(change, &error) < 0) {
        complain(change, &error);
        finish(change, &error);
    }
}

/* A sandbox has it mounted, and does not let go. */
static void give_up(struct change *change)
{
    struct wr_error error = {0};

    if (change->marked &&
        wr_store_volume_mark(change->server->store, change->id, false, &error) < 0)
        complain(change, &error);
    (void)wr_fail(&error, WR_E_ABORTED, 0,
                  "a sandbox that is being made or removed has the volume mounted; try again");
    if (!change->marked)
        complain(change, &error);
    finish(change, &error);
}

static void on_removed(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct change *change = data;
    struct wr_server *server = change->server;
    struct wr_error own = {0};

    (void)reply;
    if (error && error->code == WR_E_FAILED_PRECONDITION) {
        if (wr_loop_now_ms(server->loop) >= change->give_up_ms ||
            wr_timer_start(server->loop, &change->retry, RETRY_MS, on_retry, change, &own) < 0)
            give_up(change);
        return;
    }
    if (error && error->code == WR_E_NOT_FOUND && change->no_row) {
        (void)wr_fail(&own, WR_E_NOT_FOUND, 0, "Volume not found");
        finish(change, &own);
        return;
    }
    if (error && error->code == WR_E_NOT_FOUND)
        error = NULL;
    if (!error && wr_store_volume_remove(server->store, change->id, &own) < 0)
        error = &own;
    if (error)
        complain(change, error);
    else
        wr_log(WR_LOG_INFO, "volume removed", "volume", change->id, NULL);
    finish(change, error);
}

static int ask_to_remove(struct change *change, struct wr_error *err)
{
    return ask_engine(change, WR_ACTION_VOLUME_REMOVE, 0, on_removed, err);
}

static int start_removal(struct change *change, struct wr_error *err)
{
    if (!change)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "removal of a volume");
    change->give_up_ms =
        wr_loop_now_ms(change->server->loop) + (change->fn ? PATIENCE_MS : LONG_PATIENCE_MS);
    wr_volume_content_end(change->server, change->id);
    int r = ask_to_remove(change, err);
    if (r < 0)
        change_free(change);
    return r;
}

void wr_volumes_remove_marked(struct wr_server *server, const char *id)
{
    struct wr_error error = {0};

    if (!find_change(server, id) && start_removal(change_new(server, id, NULL, NULL), &error) < 0)
        wr_log(WR_LOG_WARN, "a volume was not removed", "volume", id, "error", error.msg, NULL);
}

int wr_volumes_remove(struct wr_server *server, const char *id, bool any, wr_done_fn fn, void *data,
                      struct wr_error *err)
{
    struct wr_store_volume volume = {.removing = true};
    struct wr_error ignored = {0};

    int found = wr_store_volume_get(server->store, id, &volume, err);
    if (found < 0 && (found != -WR_E_NOT_FOUND || !any))
        return found;
    if (find_change(server, id))
        return wr_fail(err, WR_E_NOT_FOUND, 0, "Volume not found");
    bool mark = found == 0 && !volume.removing;
    int r = mark ? wr_store_volume_mark(server->store, id, true, err) : 0;
    if (r < 0)
        return r;
    struct change *change = change_new(server, id, fn, data);
    if (change) {
        change->marked = mark;
        change->no_row = found < 0;
    }
    r = start_removal(change, err);
    if (r < 0 && mark)
        (void)!wr_store_volume_mark(server->store, id, false, &ignored);
    return r;
}

/* ---- the beginning ---- */

static void on_created(const struct wr_engine_reply *reply, const struct wr_error *error,
                       void *data)
{
    struct change *change = data;
    struct wr_server *server = change->server;
    struct wr_error own = {0};
    char id[WR_UUID_LEN + 1];

    (void)reply;
    memcpy(id, change->id, sizeof id);
    if (!error && wr_store_volume_mark(server->store, id, false, &own) < 0)
        error = &own;
    finish(change, error);
    if (error)
        wr_volumes_remove_marked(server, id);
    else
        wr_log(WR_LOG_INFO, "volume created", "volume", id, NULL);
}

static int check_count(struct wr_server *server, const char *team_id, struct wr_error *err)
{
    uint64_t count = 0;

    int r = wr_store_volume_count(server->store, team_id, &count, err);
    if (r == 0 && count >= WR_VOLUMES_OF_TEAM)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the team has %d volumes; remove one",
                    WR_VOLUMES_OF_TEAM);
    return r;
}

int wr_volumes_create(struct wr_server *server, const struct wr_store_volume *volume, wr_done_fn fn,
                      void *data, struct wr_error *err)
{
    struct wr_store_volume row = *volume;
    struct wr_error ignored = {0};

    row.removing = true;
    int r = check_count(server, volume->team_id, err);
    if (r == 0)
        r = wr_store_volume_add(server->store, &row, err);
    if (r < 0)
        return r;
    struct change *change = change_new(server, volume->id, fn, data);
    r = change ? ask_engine(change, WR_ACTION_VOLUME_CREATE, volume->size_bytes, on_created, err)
               : wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "volume %s", volume->id);
    if (r < 0) {
        if (change)
            change_free(change);
        (void)!wr_store_volume_remove(server->store, volume->id, &ignored);
    }
    return r;
}

/* ---- users ---- */

size_t wr_volumes_users(struct wr_server *server, const char *id, struct wr_buf *out)
{
    size_t count = 0;
    int r = 0;

    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        const struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->state == WR_SANDBOX_KILLING || !wr_volume_mounts_have(sandbox->settings, id))
            continue;
        if (r == 0 && count < NAMED_USERS)
            r = wr_buf_printf(out, "%s%s", count ? ", " : "", sandbox->id);
        count++;
    }
    if (r == 0 && count > NAMED_USERS)
        r = wr_buf_printf(out, " and %zu more", count - NAMED_USERS);
    /* A text that does not fit is cut: the number counts. */
    return count;
}

/* ---- tokens ---- */

void wr_volumes_token(struct wr_server *server, const struct wr_store_volume *volume,
                      char out[static WR_VOLUME_TOKEN_LEN + 1])
{
    wr_volume_token_make(&server->volumes->key, volume->id, volume->team_id,
                         wr_wall_ms() / 1000 + WR_VOLUME_TOKEN_LIFETIME_S, out);
}

enum wr_volume_token_state wr_volumes_check(struct wr_server *server, const char *volume_id,
                                            const char *token,
                                            char ret_team_id[static WR_UUID_LEN + 1])
{
    return wr_volume_token_check(&server->volumes->key, volume_id, token, wr_wall_ms() / 1000,
                                 ret_team_id);
}

/* ---- all of them ---- */

int wr_volumes_new(struct wr_server *server, struct wr_volumes **ret, struct wr_error *err)
{
    struct wr_volumes *volumes = wr_calloc(1, sizeof *volumes);

    if (!volumes)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "volumes");
    wr_list_init(&volumes->changes);
    int r = wr_volume_key_load(server->config->state_dir, &volumes->key, err);
    if (r < 0) {
        free(volumes);
        return r;
    }
    *ret = volumes;
    return 0;
}

struct wr_volumes *wr_volumes_free(struct wr_volumes *volumes)
{
    if (!volumes)
        return NULL;
    wr_list_foreach(it, &volumes->changes)
        change_free(wr_list_entry(it, struct change, link));
    explicit_bzero(volumes, sizeof *volumes);
    free(volumes);
    return NULL;
}
