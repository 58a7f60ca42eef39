#include "server/api/volumes.h"

#include "base/clock.h"
#include "base/parse.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/api/sandbox_json.h"
#include "server/server.h"
#include "server/volumes.h"

#define MAX_BODY  4096
#define MAX_BYTES ((size_t)16 * 1024 * 1024)
#define NAME_SET  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"

_Static_assert(sizeof((struct wr_api_op){0}.id) > WR_UUID_LEN, "an op names a volume");

/* ---- shapes ---- */

static void write_volume(struct wr_jw *w, const struct wr_store_volume *volume)
{
    wr_jw_kstr(w, "volumeID", volume->id);
    wr_jw_kstr(w, "name", volume->name);
    wr_jw_ku64(w, "sizeBytes", volume->size_bytes);
    wr_api_write_time(w, "createdAt", volume->created_ms);
    wr_jw_kstr(w, "teamID", volume->team_id);
}

static void reply_with_token(struct wr_server *server, struct wr_exchange *ex, int status,
                             const struct wr_store_volume *volume)
{
    wr_auto_buf body = WR_BUF(4096);
    char token[WR_VOLUME_TOKEN_LEN + 1];
    struct wr_jw w;

    wr_volumes_token(server, volume, token);
    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    write_volume(&w, volume);
    wr_jw_kstr(&w, "token", token);
    /* Clients look for the files at https://api.<domain>; without one they are told where by
     * E2B_VOLUME_API_URL. */
    wr_jw_kstr(&w, "domain", server->config->domain);
    wr_jw_end(&w);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
    explicit_bzero(token, sizeof token);
}

static void no_volume(struct wr_exchange *ex)
{
    wr_api_error(ex, 404, "Volume not found");
}

/* One that the caller may see; false: answered. */
static bool find(const struct wr_api_request *request, struct wr_exchange *ex, const char *id,
                 struct wr_store_volume *ret)
{
    struct wr_error error = {0};

    if (!wr_uuid_valid(id)) {
        wr_api_error(ex, 400, "Invalid volume ID");
        return false;
    }
    int r = wr_store_volume_get(request->server->store, id, ret, &error);
    if (r == -WR_E_NOT_FOUND || (r == 0 && !wr_principal_may_see(&request->who, ret->team_id)))
        no_volume(ex);
    else if (r < 0)
        wr_api_fail(ex, &error);
    else
        return true;
    return false;
}

/* ---- list, get ---- */

static bool append_volume(const struct wr_store_volume *volume, void *data)
{
    struct wr_jw *w = data;

    if (volume->removing)
        return true;
    wr_jw_object(w);
    write_volume(w, volume);
    wr_jw_end(w);
    return true;
}

void wr_api_volumes_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_error error = {0};
    struct wr_jw w;

    (void)match;
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    int r = wr_store_volume_each(request->server->store,
                                 request->who.is_operator ? NULL : request->who.team_id,
                                 append_volume, &w, &error);
    wr_jw_end(&w);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

void wr_api_volumes_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_store_volume volume;

    if (!find(request, ex, match->params[0], &volume))
        return;
    if (volume.removing)
        no_volume(ex);
    else
        reply_with_token(request->server, ex, 200, &volume);
}

/* ---- create ---- */

static void on_created(const struct wr_error *error, void *data)
{
    struct wr_api_op *op = data;
    struct wr_store_volume volume;
    struct wr_error own = {0};

    wr_server_touch(op->server);
    if (!error && wr_store_volume_get(op->server->store, op->id, &volume, &own) < 0)
        error = &own;
    if (op->ex && error)
        wr_api_fail(op->ex, error);
    else if (op->ex)
        reply_with_token(op->server, op->ex, 201, &volume);
    wr_api_op_end(op);
}

static int check_size(const struct wr_server_config *config, uint64_t mb, uint64_t *bytes,
                      struct wr_error *err)
{
    uint64_t max = config->volume_max_bytes ? config->volume_max_bytes : WR_ACTION_VOLUME_BYTES_MAX;
    uint64_t normal =
        config->volume_default_bytes ? config->volume_default_bytes : WR_VOLUME_DEFAULT_BYTES;
    char most[32];

    if (mb && *bytes)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "sizeBytes and sizeMB: give one of them");
    if (mb)
        *bytes = mb > UINT64_MAX / WR_MIB ? UINT64_MAX : mb * WR_MIB;
    if (!*bytes)
        *bytes = WR_MIN(normal, max);
    wr_format_size(max, most, sizeof most);
    if (*bytes > max)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "sizeBytes: a volume has at most %s", most);
    if (*bytes < WR_ACTION_VOLUME_BYTES_MIN)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "sizeBytes: a volume has at least %llu MiB",
                       (unsigned long long)(WR_ACTION_VOLUME_BYTES_MIN / WR_MIB));
    return 0;
}

static int read_create(const struct wr_api_op *op, const char *body, size_t len,
                       struct wr_store_volume *volume, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    const char *name = "";
    uint64_t mb = 0;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name},
        {.name = "sizeBytes", .kind = WR_JSON_U64, .ret = &volume->size_bytes},
        {.name = "sizeMB", .kind = WR_JSON_U64, .ret = &mb},
    };

    int r = wr_json_parse(body, len, &json, err);
    if (r == 0)
        r = wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), err);
    if (r == 0 && !wr_str_only(name, NAME_SET, 1, WR_STORE_NAME_MAX))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "Invalid volume name: 1 to %d letters, digits, '_' and '-'", WR_STORE_NAME_MAX);
    if (r == 0)
        r = check_size(op->server->config, mb, &volume->size_bytes, err);
    if (r < 0)
        return r;
    volume->created_ms = wr_wall_ms();
    wr_uuid_new(volume->id);
    memcpy(volume->team_id, op->who.team_id, sizeof volume->team_id);
    return wr_strcopy(volume->name, sizeof volume->name, name)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Invalid volume name");
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    struct wr_api_op *op = data;
    struct wr_store_volume volume = {.removing = false};
    struct wr_error error = {0};

    int r = read_create(op, body, len, &volume, &error);
    if (r == 0) {
        memcpy(op->id, volume.id, sizeof volume.id);
        op->busy = true;
        r = wr_volumes_create(op->server, &volume, on_created, op, &error);
        op->busy = r == 0;
    }
    if (r == -WR_E_ALREADY_EXISTS)
        wr_api_error(ex, 400, error.msg);
    else if (r < 0)
        wr_api_fail(ex, &error);
}

void wr_api_volumes_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    (void)match;
    if (op)
        wr_exchange_collect(ex, MAX_BODY, on_create_body, wr_api_op_on_close, op);
}

/* ---- remove ---- */

/* False: answered with 409. */
static bool unused(struct wr_server *server, struct wr_exchange *ex, const char *id,
                   const char *name)
{
    wr_auto_buf users = WR_BUF(512);
    char text[800];

    size_t count = wr_volumes_users(server, id, &users);
    if (count == 0)
        return true;
    const char *who = wr_buf_cstr(&users);
    if (!wr_strformat(text, sizeof text,
                      "Volume '%.128s' is mounted by sandbox%s %s; it can be deleted when %s ended",
                      name, count > 1 ? "es" : "", who ? who : "",
                      count > 1 ? "they have" : "it has"))
        text[0] = '\0';
    wr_api_error(ex, 409, text);
    return false;
}

static void remove_one(struct wr_exchange *ex, const struct wr_api_request *request, const char *id)
{
    struct wr_api_op *op = wr_api_op_new(request, ex);
    struct wr_error error = {0};

    if (!op)
        return;
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    int r = wr_volumes_remove(request->server, id, request->who.is_operator, wr_api_op_on_done, op,
                              &error);
    if (r == 0)
        return;
    op->busy = false;
    wr_api_fail(ex, &error);
}

void wr_api_volumes_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const char *id = match->params[0];
    struct wr_store_volume volume;
    struct wr_error error = {0};

    /* The operator may remove data that has no row any more. */
    if (request->who.is_operator && wr_uuid_valid(id) &&
        wr_store_volume_get(request->server->store, id, &volume, &error) == -WR_E_NOT_FOUND)
        remove_one(ex, request, id);
    else if (find(request, ex, id, &volume) && unused(request->server, ex, id, volume.name))
        remove_one(ex, request, id);
}
