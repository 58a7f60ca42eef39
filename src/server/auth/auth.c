#include "server/auth/auth.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "server/api/errors.h"
#include "server/auth/cache.h"
#include "server/auth/key.h"
#include "server/server.h"

#define HEADER_MAX     (8 + WR_KEY_HEX_MAX + 16) /* "Bearer " and a key */
#define RECORD_USE_MS  60000
#define FIRST_KEY_NAME "first key"
#define INVALID_KEY_TEXT \
    "Invalid API key, please visit https://e2b.dev/docs/api-key for more information.\n"

struct wr_auth {
    struct wr_key_cache *cache;
    struct wr_principal operator_;
};

/* ---- life ---- */

int wr_auth_new(struct wr_store *store, struct wr_auth **ret, struct wr_error *err)
{
    struct wr_team team;

    int r = wr_store_default_team(store, &team, err);
    if (r < 0)
        return r;
    struct wr_auth *auth = wr_calloc(1, sizeof *auth);
    struct wr_key_cache *cache = auth ? wr_key_cache_new() : NULL;
    if (!cache) {
        free(auth);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "cache of API keys");
    }
    auth->cache = cache;
    auth->operator_.is_operator = true;
    memcpy(auth->operator_.team_id, team.id, sizeof team.id);
    memcpy(auth->operator_.team_slug, team.slug, sizeof team.slug);
    *ret = auth;
    return 0;
}

struct wr_auth *wr_auth_free(struct wr_auth *auth)
{
    if (!auth)
        return NULL;
    wr_key_cache_free(auth->cache);
    free(auth);
    return NULL;
}

static bool stop_at_first(const struct wr_api_key *key, void *data)
{
    (void)key;
    *(bool *)data = true;
    return false;
}

int wr_auth_first_key(struct wr_store *store, char ret_key[static WR_KEY_TEXT_LEN + 1],
                      struct wr_error *err)
{
    struct wr_team team;
    struct wr_api_key key;
    bool any = false;

    int r = wr_store_default_team(store, &team, err);
    if (r == 0)
        r = wr_store_key_each(store, NULL, stop_at_first, &any, err);
    if (r < 0 || any)
        return r;
    wr_key_new(ret_key, &key);
    memcpy(key.team_id, team.id, sizeof key.team_id);
    memcpy(key.name, FIRST_KEY_NAME, sizeof FIRST_KEY_NAME);
    r = wr_store_key_add(store, &key, err);
    if (r == 0)
        return 1;
    explicit_bzero(ret_key, WR_KEY_TEXT_LEN + 1);
    return r;
}

/* ---- answers ---- */

struct header {
    const char *name, *value;
};

/* Header fields end with a name of NULL. */
static void refuse(struct wr_exchange *ex, int status, const char *message,
                   const struct header *headers)
{
    wr_auto_buf body = WR_BUF(2048);
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_ki64(&w, "code", status);
    wr_jw_kstr(&w, "message", message);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0) {
        wr_exchange_abort(ex);
        return;
    }
    wr_exchange_begin(ex, status);
    wr_exchange_header(ex, "Content-Type", "application/json");
    for (; headers->name; headers++)
        wr_exchange_header(ex, headers->name, headers->value);
    wr_exchange_send(ex, wr_buf_ptr(&body), body.len);
}

static void refuse_credentials(struct wr_exchange *ex, const char *message)
{
    static const struct header headers[] = {{"WWW-Authenticate", "Bearer realm=\"api\""},
                                            {NULL, NULL}};
    refuse(ex, 401, message, headers);
}

/* The client may come again when one is left. */
static void refuse_rate(struct wr_exchange *ex, const char *what, uint32_t per_s, uint64_t wait_ms)
{
    char message[128], limit[16], wait_s[24];

    if (!wr_strformat(message, sizeof message, "too many %s: this API key has %u per second", what,
                      per_s) ||
        !wr_strformat(limit, sizeof limit, "%u", per_s) ||
        !wr_strformat(wait_s, sizeof wait_s, "%llu",
                      (unsigned long long)WR_MAX((wait_ms + 999) / 1000, (uint64_t)1))) {
        wr_exchange_abort(ex);
        return;
    }
    const struct header headers[] = {{"Retry-After", wait_s},
                                     {"RateLimit-Limit", limit},
                                     {"RateLimit-Remaining", "0"},
                                     {"RateLimit-Reset", wait_s},
                                     {NULL, NULL}};
    refuse(ex, 429, message, headers);
}

/* ---- requests ---- */

/* The key that the request shows; NULL: none. `out` is to be wiped. */
static const char *find_key_text(const struct wr_exchange *ex, char *out, size_t cap)
{
    const struct wr_h1_head *head = wr_exchange_head(ex);
    const char *bearer = "Bearer ";

    if (wr_h1_find(head, "X-API-Key"))
        return wr_h1_get(head, "X-API-Key", out, cap) ? out : "";
    if (!wr_h1_find(head, "Authorization"))
        return NULL;
    if (!wr_h1_get(head, "Authorization", out, cap))
        return "";
    size_t len = strlen(bearer);
    return strlen(out) > len && wr_memcaseeq(out, len, bearer, len) ? out + len : "";
}

/* From the store into the cache; NULL: answered. */
static struct wr_cached_key *load(struct wr_server *server, struct wr_exchange *ex,
                                  const uint8_t hash[static 32], uint64_t now_ms)
{
    struct wr_principal who = {0};
    struct wr_api_key key = {0};
    struct wr_team team;
    struct wr_error error = {0};

    int r = wr_store_key_find(server->store, hash, &key, &error);
    if (r == -WR_E_NOT_FOUND) {
        struct wr_cached_key *bad = wr_key_cache_add(server->auth->cache, hash, NULL, now_ms);
        if (bad)
            return bad;
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "API key");
    }
    if (r == 0)
        r = wr_store_team_get(server->store, key.team_id, &team, &error);
    if (r < 0) {
        wr_api_fail(ex, &error);
        return NULL;
    }
    memcpy(who.team_id, team.id, sizeof who.team_id);
    memcpy(who.team_slug, team.slug, sizeof who.team_slug);
    memcpy(who.key_id, key.id, sizeof who.key_id);
    struct wr_cached_key *cached = wr_key_cache_add(server->auth->cache, hash, &who, now_ms);
    if (!cached) {
        (void)wr_fail(&error, WR_E_UNAVAILABLE, ENOMEM, "API key");
        wr_api_fail(ex, &error);
        return NULL;
    }
    cached->used_ms = key.last_used_ms;
    return cached;
}

static void record_use(struct wr_server *server, struct wr_cached_key *key)
{
    uint64_t now_ms = wr_wall_ms();
    struct wr_error error = {0};

    if (now_ms >= key->used_ms && now_ms - key->used_ms < RECORD_USE_MS)
        return;
    key->used_ms = now_ms;
    if (wr_store_key_used(server->store, key->who.key_id, now_ms, &error) < 0)
        wr_log(WR_LOG_WARN, "the use of an API key was not recorded", "key", key->who.key_id,
               "error", error.msg, NULL);
}

bool wr_auth_admit(struct wr_server *server, struct wr_exchange *ex, bool is_operator,
                   struct wr_principal *ret)
{
    char text[HEADER_MAX] = "";
    uint8_t hash[32];
    uint64_t now_us = wr_mono_us(), wait_ms = 0;
    uint32_t per_s = server->config->limits.requests_per_s;

    if (is_operator) {
        *ret = server->auth->operator_;
        return true;
    }
    const char *shown = find_key_text(ex, text, sizeof text);
    bool well_formed = shown && wr_key_hash(shown, strlen(shown), hash);
    explicit_bzero(text, sizeof text);
    if (!shown) {
        refuse_credentials(ex, "authorization header is missing: send your API key as X-API-Key");
        return false;
    }
    if (!well_formed) {
        refuse_credentials(ex, INVALID_KEY_TEXT
                           "a key is e2b_ followed by an even number of hex characters");
        return false;
    }
    struct wr_cached_key *key = wr_key_cache_find(server->auth->cache, hash, now_us / 1000);
    if (!key)
        key = load(server, ex, hash, now_us / 1000);
    if (!key)
        return false;
    if (!key->known) {
        refuse_credentials(ex, INVALID_KEY_TEXT "this server has no such key");
        return false;
    }
    if (!wr_bucket_take(&key->requests, per_s, now_us, &wait_ms)) {
        refuse_rate(ex, "requests", per_s, wait_ms);
        return false;
    }
    record_use(server, key);
    *ret = key->who;
    return true;
}

bool wr_auth_admit_create_rate(struct wr_server *server, struct wr_exchange *ex,
                               const struct wr_principal *who, uint32_t count)
{
    uint32_t per_s = server->config->limits.creates_per_s;
    struct wr_cached_key *key =
        who->is_operator ? NULL : wr_key_cache_find_id(server->auth->cache, who->key_id);
    uint64_t wait_ms = 0;

    if (!key || wr_bucket_take_many(&key->creates, count, per_s, wr_mono_us(), &wait_ms))
        return true;
    refuse_rate(ex, "new, saved or resumed sandboxes", per_s, wait_ms);
    return false;
}

int wr_auth_check_team(struct wr_server *server, const char *team_id, struct wr_error *err)
{
    uint32_t max = server->config->limits.max_sandboxes;
    const struct wr_team_use *use = wr_sandbox_table_use(server->sandboxes, team_id);

    if (max == 0 || (use && use->sandboxes + use->creating < max))
        return 0;
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                   "you have reached the maximum number of concurrent E2B sandboxes (%u)", max);
}

void wr_auth_refuse(struct wr_exchange *ex, int status, const char *message)
{
    static const struct header no_retry[] = {{"Should-Retry", "false"}, {NULL, NULL}};

    refuse(ex, status, message, no_retry);
}

/* The rate first: a client that is refused for the number of its sandboxes has used a turn. */
bool wr_auth_admit_create(struct wr_server *server, struct wr_exchange *ex,
                          const struct wr_principal *who)
{
    struct wr_error error = {0};

    if (!wr_auth_admit_create_rate(server, ex, who, 1))
        return false;
    if (wr_auth_check_team(server, who->team_id, &error) == 0)
        return true;
    wr_auth_refuse(ex, 429, error.msg);
    return false;
}

bool wr_principal_may_see(const struct wr_principal *who, const char *team_id)
{
    return who->is_operator || wr_streq(who->team_id, team_id);
}

void wr_auth_forget_key(struct wr_server *server, const char *key_id)
{
    wr_key_cache_remove(server->auth->cache, wr_key_cache_find_id(server->auth->cache, key_id));
}

void wr_auth_key_added(struct wr_server *server)
{
    wr_key_cache_drop_bad(server->auth->cache);
}
