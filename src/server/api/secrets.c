#include "server/api/secrets.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/parse.h"
#include "base/rand.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/keys.h"
#include "server/api/op.h"
#include "server/request.h"
#include "server/server.h"
#include "server/store/store.h"

#define MAX_BODY    (512 * 1024)
#define LIST_MAX    100
#define PAGE_BYTES  ((size_t)8 * 1024 * 1024)
#define ID_PREFIX   "sec_"
#define PATH_OF_ALL "/secrets"
#define PATH_OF_ONE "/secrets/"
#define NAME_SET    "abcdefghijklmnopqrstuvwxyz0123456789_-"

void wr_api_secrets_begin(struct wr_exchange *ex)
{
    const char *path = wr_exchange_path(ex);

    if (wr_streq(path, PATH_OF_ALL) || wr_starts_with(path, PATH_OF_ONE))
        wr_exchange_header(ex, "Cache-Control", "no-store");
}

/* ---- answers ---- */

/* What the API says to all that is not as it should be, in its own words. */
static void fail(struct wr_exchange *ex, const struct wr_error *error)
{
    char text[320];

    if (error->code == WR_E_NOT_FOUND)
        wr_api_error(ex, 404, "Secret not found");
    else if (error->code == WR_E_ALREADY_EXISTS)
        wr_api_error(ex, 409, "Secret cannot be modified in its current state");
    else if (error->code == WR_E_INVALID_ARGUMENT &&
             wr_strformat(text, sizeof text, "Invalid secrets request: %.280s", error->msg))
        wr_api_error(ex, 400, text);
    else
        wr_api_fail(ex, error);
}

static void write_metadata(struct wr_jw *w, const char *text)
{
    wr_auto_json *metadata = json_loads(text, 0, NULL);
    const char *key;
    json_t *value;

    wr_jw_key(w, "metadata");
    wr_jw_object(w);
    json_object_foreach(metadata, key, value)
        wr_jw_kstr(w, key, json_string_value(value));
    wr_jw_end(w);
}

static void write_time(struct wr_jw *w, const char *name, uint64_t ms)
{
    char time[25];

    wr_format_rfc3339(ms, time);
    wr_jw_kstr(w, name, time);
}

static void write_secret(const struct wr_store_secret *secret, void *data)
{
    struct wr_jw *w = data;

    wr_jw_object(w);
    wr_jw_kstr(w, "secretID", secret->id);
    wr_jw_kstr(w, "name", secret->name);
    wr_jw_ku64(w, "currentVersion", secret->version);
    write_metadata(w, secret->metadata);
    write_time(w, "createdAt", secret->created_ms);
    write_time(w, "updatedAt", secret->updated_ms);
    wr_jw_end(w);
}

static void reply_secret(struct wr_exchange *ex, int status, struct wr_store *store,
                         const char *team_id, const char *id_or_name)
{
    wr_auto_buf body = WR_BUF(PAGE_BYTES);
    struct wr_error error = {0};
    struct wr_jw w;

    wr_jw_init(&w, &body);
    if (wr_store_secret_get(store, team_id, id_or_name, write_secret, &w, &error) < 0)
        fail(ex, &error);
    else
        wr_api_reply_json(ex, status, &body, wr_jw_finish(&w));
}

/* ---- what a request says ---- */

/* Whose secrets are meant. */
static int read_team(const struct wr_exchange *ex, const struct wr_principal *who,
                     char out[static WR_UUID_LEN + 1], struct wr_error *err)
{
    int r = wr_exchange_query(ex, "teamID", out, WR_UUID_LEN + 1, err);

    if (r < 0)
        return r;
    if (r == 0)
        memcpy(out, who->team_id, WR_UUID_LEN + 1);
    else if (!wr_principal_may_see(who, out))
        return wr_fail(err, WR_E_PERMISSION_DENIED, 0, "Secrets are not available for this team");
    return 0;
}

static void to_lower(char *text)
{
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p + ('a' - 'A'));
}

static int read_name(const char *text, bool is_new, char out[static WR_STORE_NAME_MAX + 1],
                     struct wr_error *err)
{
    char name[WR_STORE_NAME_MAX + 1];

    if (!wr_strcopy(name, sizeof name, text))
        name[0] = '\0';
    to_lower(name);
    if (!wr_str_only(name, NAME_SET, 1, WR_STORE_NAME_MAX))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: 1 to %d letters, digits, '-' and '_'",
                       WR_STORE_NAME_MAX);
    if (is_new && wr_starts_with(name, ID_PREFIX))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "name: must not begin with " ID_PREFIX);
    memcpy(out, name, sizeof name);
    return 0;
}

static int check_metadata(const json_t *metadata, struct wr_error *err)
{
    const char *key;
    json_t *value;

    if (json_object_size(metadata) > WR_SECRET_METADATA_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "metadata: at most %d entries",
                       WR_SECRET_METADATA_MAX);
    json_object_foreach((json_t *)(uintptr_t)metadata, key, value) {
        if (!*key || strlen(key) > WR_SECRET_METADATA_KEY)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "metadata: a key has 1 to %d bytes",
                           WR_SECRET_METADATA_KEY);
        if (!json_is_string(value) || json_string_length(value) > WR_SECRET_METADATA_VALUE)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "metadata.%.60s: a string of at most %d bytes", key,
                           WR_SECRET_METADATA_VALUE);
    }
    return 0;
}

struct wish {
    const char *name, *value; /* of `json` */
    char *metadata;           /* JSON text, owned; NULL: none was given */
    json_t *json;
};

static void wish_done(struct wish *wish)
{
    /* The tree's copy of the value is its own memory. */
    if (*wish->value)
        explicit_bzero((char *)(uintptr_t)wish->value, strlen(wish->value));
    free(wish->metadata);
    json_decref(wish->json);
}
#define auto_wish WR_CLEANUP(wish_done) struct wish

static int read_wish(const struct wr_api_op *op, const char *body, size_t len, bool is_new,
                     struct wish *wish, struct wr_error *err)
{
    json_t *metadata = NULL;
    const struct wr_json_field fields[] = {
        {.name = "value",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &wish->value,
         .max = WR_SECRET_VALUE_MAX},
        {.name = "metadata", .kind = WR_JSON_OBJECT, .ret = &metadata},
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &wish->name},
    };

    int r = wr_json_parse(body, len, &wish->json, err);
    if (r == 0)
        r = wr_api_body_read(op, wish->json, fields, WR_ARRAY_SIZE(fields) - (is_new ? 0 : 1), err);
    if (r == 0 && !*wish->value)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "value: is empty");
    if (r == 0)
        r = check_metadata(metadata, err);
    if (r < 0 || !metadata)
        return r;
    wish->metadata = json_dumps(metadata, JSON_COMPACT);
    return wish->metadata ? 0 : wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "secret");
}

/* ---- list, get, remove ---- */

struct page {
    struct wr_jw w;
    uint32_t wanted, count;
    char last[WR_STORE_NAME_MAX + 1];
    bool more;
};

static void add_to_page(const struct wr_store_secret *secret, void *data)
{
    struct page *page = data;

    page->more = page->count == page->wanted;
    if (page->more)
        return;
    page->count++;
    memcpy(page->last, secret->name, sizeof page->last);
    write_secret(secret, &page->w);
}

static int read_page(const struct wr_exchange *ex, struct page *page,
                     char after[static WR_STORE_NAME_MAX + 1], struct wr_error *err)
{
    char text[16];
    uint64_t limit = LIST_MAX;

    int r = wr_exchange_query(ex, "limit", text, sizeof text, err);
    if (r > 0 && wr_parse_u64(text, 1, LIST_MAX, &limit) < 0)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "limit: 1 to %d", LIST_MAX);
    page->wanted = (uint32_t)limit;
    after[0] = '\0';
    if (r >= 0)
        r = wr_exchange_query(ex, "nextToken", after, WR_STORE_NAME_MAX + 1, err);
    return WR_MIN(r, 0);
}

void wr_api_secrets_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(PAGE_BYTES);
    char team_id[WR_UUID_LEN + 1], after[WR_STORE_NAME_MAX + 1];
    struct page page = {0};
    struct wr_error error = {0};

    (void)match;
    wr_jw_init(&page.w, &body);
    wr_jw_array(&page.w);
    int r = read_team(ex, &request->who, team_id, &error);
    if (r == 0)
        r = read_page(ex, &page, after, &error);
    if (r == 0)
        r = wr_store_secret_page(request->server->store, team_id, after, page.wanted + 1,
                                 add_to_page, &page, &error);
    if (r < 0) {
        fail(ex, &error);
        return;
    }
    wr_jw_end(&page.w);
    if (wr_jw_finish(&page.w) < 0) {
        wr_api_error(ex, 503, "out of memory");
        return;
    }
    wr_exchange_begin(ex, 200);
    wr_exchange_header(ex, "Content-Type", "application/json");
    if (page.more)
        wr_exchange_header(ex, "X-Next-Token", page.last);
    wr_exchange_send(ex, wr_buf_ptr(&body), body.len);
}

/* Team and name of a request for one secret. False: answered. */
static bool read_target(struct wr_exchange *ex, const struct wr_api_request *request,
                        const char *param, char team_id[static WR_UUID_LEN + 1],
                        char name[static WR_STORE_NAME_MAX + 1])
{
    struct wr_error error = {0};

    int r = read_team(ex, &request->who, team_id, &error);
    if (r == 0)
        r = read_name(param, false, name, &error);
    if (r < 0)
        fail(ex, &error);
    return r == 0;
}

void wr_api_secrets_get(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    char team_id[WR_UUID_LEN + 1], name[WR_STORE_NAME_MAX + 1];

    if (read_target(ex, request, match->params[0], team_id, name))
        reply_secret(ex, 200, request->server->store, team_id, name);
}

void wr_api_secrets_remove(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    char team_id[WR_UUID_LEN + 1], name[WR_STORE_NAME_MAX + 1];
    struct wr_error error = {0};

    if (!read_target(ex, request, match->params[0], team_id, name))
        return;
    if (wr_store_secret_remove(request->server->store, team_id, name, &error) < 0)
        fail(ex, &error);
    else
        wr_api_reply_empty(ex);
}

/* ---- create, update ---- */

static int check_count(const struct wr_api_op *op, const char *team_id, struct wr_error *err)
{
    uint64_t count = 0;

    int r = wr_store_secret_count(op->server->store, team_id, &count, err);
    if (r == 0 && count >= WR_SECRETS_OF_TEAM)
        r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "the team has %d secrets; remove one",
                    WR_SECRETS_OF_TEAM);
    return r;
}

static void on_create_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    auto_wish wish = {.name = "", .value = ""};
    struct wr_store_secret secret = {.version = 1, .created_ms = wr_wall_ms()};
    struct wr_error error = {0};

    int r = read_team(ex, &op->who, secret.team_id, &error);
    if (r == 0)
        r = read_wish(op, body, len, true, &wish, &error);
    if (r == 0)
        r = read_name(wish.name, true, secret.name, &error);
    if (r == 0)
        r = check_count(op, secret.team_id, &error);
    memcpy(secret.id, ID_PREFIX, sizeof ID_PREFIX);
    wr_random_id(secret.id + sizeof ID_PREFIX - 1, WR_SECRET_ID_LEN - (sizeof ID_PREFIX - 1));
    secret.updated_ms = secret.created_ms;
    secret.metadata = wish.metadata ? wish.metadata : "{}";
    if (r == 0)
        r = wr_store_secret_add(op->server->store, &secret, wish.value, &error);
    if (r < 0)
        fail(ex, &error);
    else
        reply_secret(ex, 201, op->server->store, secret.team_id, secret.id);
}

static void on_update_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    const struct wr_api_op *op = data;
    auto_wish wish = {.name = "", .value = ""};
    char team_id[WR_UUID_LEN + 1], name[WR_STORE_NAME_MAX + 1];
    struct wr_error error = {0};

    int r = read_team(ex, &op->who, team_id, &error);
    if (r == 0)
        r = read_name(wr_exchange_path(ex) + sizeof PATH_OF_ONE - 1, false, name, &error);
    if (r == 0)
        r = read_wish(op, body, len, false, &wish, &error);
    const struct wr_store_secret_change update = {
        .team_id = team_id,
        .id_or_name = name,
        .value = wish.value,
        .metadata = wish.metadata,
        .now_ms = wr_wall_ms(),
    };
    if (r == 0)
        r = wr_store_secret_update(op->server->store, &update, &error);
    if (r < 0)
        fail(ex, &error);
    else
        reply_secret(ex, 200, op->server->store, team_id, name);
}

static void collect(struct wr_exchange *ex, const struct wr_api_request *request,
                    void (*fn)(struct wr_exchange *ex, const char *body, size_t len, void *data))
{
    struct wr_api_op *op = wr_api_op_new(request, ex);

    if (!op)
        return;
    wr_exchange_collect(ex, MAX_BODY, fn, wr_api_op_on_close, op);
    wr_exchange_wipe_body(ex);
}

void wr_api_secrets_create(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    collect(ex, data, on_create_body);
}

void wr_api_secrets_update(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    (void)match;
    collect(ex, data, on_update_body);
}
