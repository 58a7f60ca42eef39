#include "server/api/keys.h"

#include "base/clock.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/op.h"
#include "server/request.h"
#include "server/server.h"

#define KEYS_MAX_BODY  4096
#define KEYS_OF_TEAM   100 /* that its own keys can make; each has a budget of requests */
#define KEYS_MAX_BYTES ((size_t)16 * 1024 * 1024)

int wr_api_name_check(const char *name, struct wr_error *err)
{
    if (!*name || strlen(name) > WR_STORE_NAME_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: 1 to %d bytes", WR_STORE_NAME_MAX);
    for (const char *p = name; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: has a control character");
    return 0;
}

int wr_api_body_read(const struct wr_api_op *op, const json_t *json,
                     const struct wr_json_field *fields, size_t count, struct wr_error *err)
{
    return wr_json_read(
        json, fields, count,
        op->server->config->lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);
}

/* ---- shapes ---- */

/* 0 is null: never. */
static void write_time(struct wr_jw *w, const char *name, uint64_t wall_ms)
{
    char text[25];

    wr_jw_key(w, name);
    if (wall_ms == 0) {
        wr_jw_null(w);
        return;
    }
    wr_format_rfc3339(wall_ms, text);
    wr_jw_str(w, text);
}

/* `text` is the key itself, or NULL. */
static void write_key(struct wr_jw *w, const struct wr_api_key *key, const char *text)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "id", key->id);
    wr_jw_kstr(w, "name", key->name);
    wr_jw_kstr(w, "key", text);
    wr_jw_key(w, "mask");
    wr_jw_object(w);
    wr_jw_kstr(w, "prefix", WR_KEY_PREFIX);
    wr_jw_ku64(w, "valueLength", key->value_len);
    wr_jw_kstr(w, "maskedValuePrefix", key->mask_prefix);
    wr_jw_kstr(w, "maskedValueSuffix", key->mask_suffix);
    wr_jw_end(w);
    wr_jw_kstr(w, "teamID", key->team_id);
    write_time(w, "createdAt", key->created_ms);
    wr_jw_key(w, "createdBy");
    wr_jw_null(w);
    write_time(w, "lastUsed", key->last_used_ms);
    wr_jw_end(w);
}

static void reply_key(struct wr_exchange *ex, int status, const struct wr_api_key *key,
                      const char *text)
{
    wr_auto_buf body = WR_BUF(8192);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    write_key(&w, key, text);
    wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

/* ---- list ---- */

static bool append_key(const struct wr_api_key *key, void *data)
{
    write_key(data, key, NULL);
    return true;
}

void wr_api_keys_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const char *team_id = request->who.is_operator ? NULL : request->who.team_id;
    char wanted[WR_UUID_LEN + 1] = "";
    wr_auto_buf body = WR_BUF(KEYS_MAX_BYTES);
    struct wr_error error = {0};
    struct wr_jw w;

    (void)match;
    int r = wr_exchange_query(ex, "teamID", wanted, sizeof wanted, &error);
    if (r > 0 && !wr_principal_may_see(&request->who, wanted))
        r = wr_fail(&error, WR_E_PERMISSION_DENIED, 0, "you don't have access to team '%s'",
                    wanted);
    if (r > 0)
        team_id = wanted;
    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    if (r >= 0)
        r = wr_store_key_each(request->server->store, team_id, append_key, &w, &error);
    wr_jw_end(&w);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, wr_jw_finish(&w));
}

/* ---- create ---- */

static bool count_key(const struct wr_api_key *key, void *data)
{
    size_t *count = data;

    (void)key;
    return ++*count < KEYS_OF_TEAM;
}

static int check_count(const struct wr_api_op *op, struct wr_error *err)
{
    size_t count = 0;

    if (op->who.is_operator)
        return 0;
    int r = wr_store_key_each(op->server->store, op->who.team_id, count_key, &count, err);
    if (r == 0 && count == KEYS_OF_TEAM)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                    "the team has %d API keys; remove one, or ask the operator of this server",
                    KEYS_OF_TEAM);
    return r;
}

/* Into `key`: the name, and the team that gets the key. */
static int read_create(const struct wr_api_op *op, const char *body, size_t len,
                       struct wr_api_key *key, struct wr_error *err)
{
    wr_auto_json *json = NULL;
    const char *name = "", *team_id = op->who.team_id;
    struct wr_team team;
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name},
        {.name = "teamID", .kind = WR_JSON_STRING, .ret = &team_id, .max = WR_UUID_LEN},
    };

    int r = wr_json_parse(body, len, &json, err);
    if (r == 0)
        r = wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), err);
    if (r == 0)
        r = wr_api_name_check(name, err);
    if (r == 0 && !wr_principal_may_see(&op->who, team_id))
        r = wr_fail(err, WR_E_PERMISSION_DENIED, 0, "you don't have access to team '%s'", team_id);
    if (r == 0)
        r = wr_store_team_get(op->server->store, team_id, &team, err);
    if (r < 0)
        return r;
    memcpy(key->team_id, team.id, sizeof team.id);
    return wr_strcopy(key->name, sizeof key->name, name)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: too long");
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    char text[WR_KEY_TEXT_LEN + 1];
    struct wr_api_key key = {0};
    struct wr_error error = {0};

    wr_key_new(text, &key);
    int r = read_create(op, body, len, &key, &error);
    if (r == 0)
        r = check_count(op, &error);
    if (r == 0)
        r = wr_store_key_add(op->server->store, &key, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
    } else {
        wr_auth_key_added(op->server);
        reply_key(ex, 201, &key, text);
    }
    explicit_bzero(text, sizeof text);
}

void wr_api_keys_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = wr_api_op_new(data, ex);

    (void)match;
    if (op)
        wr_exchange_collect(ex, KEYS_MAX_BODY, on_create_body, wr_api_op_on_close, op);
}

/* ---- rename, remove ---- */

/* Whose keys a caller may change; NULL: everybody's. */
static const char *scope(const struct wr_principal *who)
{
    return who->is_operator ? NULL : who->team_id;
}

static void on_rename_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    wr_auto_json *json = NULL;
    const char *name = "";
    struct wr_api_key key;
    struct wr_error error = {0};
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name},
    };

    int r = wr_json_parse(body, len, &json, &error);
    if (r == 0)
        r = wr_api_body_read(op, json, fields, WR_ARRAY_SIZE(fields), &error);
    if (r == 0)
        r = wr_api_name_check(name, &error);
    if (r == 0)
        r = wr_store_key_rename(op->server->store, scope(&op->who), op->id, name, &error);
    if (r == 0)
        r = wr_store_key_get(op->server->store, op->id, &key, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        reply_key(ex, 200, &key, NULL);
}

void wr_api_keys_rename(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_api_op *op = NULL;

    if (!wr_uuid_valid(match->params[0])) {
        wr_api_error(ex, 400, "Invalid API key ID");
        return;
    }
    op = wr_api_op_new(data, ex);
    if (!op)
        return;
    memcpy(op->id, match->params[0], WR_UUID_LEN + 1);
    wr_exchange_collect(ex, KEYS_MAX_BODY, on_rename_body, wr_api_op_on_close, op);
}

void wr_api_keys_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct wr_error error = {0};

    if (!wr_uuid_valid(match->params[0])) {
        wr_api_error(ex, 400, "Invalid API key ID");
        return;
    }
    if (wr_store_key_remove(request->server->store, scope(&request->who), match->params[0],
                            &error) < 0) {
        wr_api_fail(ex, &error);
        return;
    }
    wr_auth_forget_key(request->server, match->params[0]);
    wr_api_reply_empty(ex);
}
