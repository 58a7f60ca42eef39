#include "client/remote_access.h"

#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "client/handles.h"
#include "json/jread.h"

/* Missing and null are "". What it is becomes part of paths, hosts and header fields: a text that
 * does not fit there is refused here, where it can be said whose it is. */
static int take_text(const json_t *answer, const char *name, char *out, size_t cap,
                     struct wr_error *err)
{
    const json_t *value = json_object_get(answer, name);
    const char *text = json_is_string(value) ? json_string_value(value) : "";

    if (value && !json_is_string(value) && !json_is_null(value))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's %s is no text", name);
    for (const char *c = text; *c; c++)
        if (*c <= ' ' || *c >= 0x7f)
            return wr_fail(err, WR_E_INTERNAL, 0, "the server's %s has characters that none has",
                           name);
    if (strlen(text) != json_string_length(value) || !wr_strcopy(out, cap, text))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's %s is too long, or has a NUL", name);
    return 0;
}

int wr_remote_access_id(const json_t *answer, char ret[static WR_SANDBOX_ID_MAX],
                        struct wr_error *err)
{
    int r = take_text(answer, "sandboxID", ret, WR_SANDBOX_ID_MAX, err);

    return r == 0 && !wr_sandbox_id_is_valid(ret)
               ? wr_fail(err, WR_E_INTERNAL, 0, "the server's sandboxID is missing, or is none")
               : r;
}

int wr_remote_access_take(const struct wr_remote *remote, const json_t *answer,
                          struct wr_sandbox_access *ret, struct wr_error *err)
{
    struct wr_sandbox_access access = {0};

    int r = wr_remote_access_id(answer, access.id, err);
    if (r == 0)
        r = take_text(answer, "envdAccessToken", access.access_token, sizeof access.access_token,
                      err);
    if (r == 0)
        r = take_text(answer, "trafficAccessToken", access.traffic_token,
                      sizeof access.traffic_token, err);
    if (r == 0)
        r = take_text(answer, "domain", access.domain, sizeof access.domain, err);
    if (r == 0 && access.domain[0] && !wr_endpoint_domain_is_valid(access.domain))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's domain is not the name of a host");
    if (r == 0 && !access.domain[0] &&
        !wr_strcopy(access.domain, sizeof access.domain, remote->domain))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the domain is too long");
    if (r == 0)
        *ret = access;
    explicit_bzero(&access, sizeof access);
    return r;
}

void wr_remote_access_wipe(json_t *answer)
{
    static const char *const names[] = {"envdAccessToken", "trafficAccessToken"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++) {
        const json_t *token = json_object_get(answer, names[i]);
        if (json_is_string(token))
            explicit_bzero((char *)(uintptr_t)json_string_value(token), json_string_length(token));
    }
    json_decref(answer);
}

int wr_remote_sandbox_target(const char *id, const char *rest,
                             char out[static WR_REMOTE_TARGET_MAX], struct wr_error *err)
{
    return wr_strformat(out, WR_REMOTE_TARGET_MAX, "/sandboxes/%s%s", id, rest)
               ? 0
               : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a sandbox", id);
}

int wr_remote_sandbox_post(void *self, const struct wr_call *call, const char *rest,
                           const char *body, json_t **ret, struct wr_error *err)
{
    struct wr_remote_use use = {0};
    char target[WR_REMOTE_TARGET_MAX];

    int r = wr_remote_sandbox_target(call->sandbox->id, rest, target, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_post(&use, target, body, ret, err);
    wr_remote_end(&use);
    return r;
}
