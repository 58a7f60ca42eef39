#include "server/api/volume_content.h"

#include <string.h>

#include "base/str.h"
#include "http/router.h"
#include "server/server.h"
#include "server/volume_content.h"
#include "server/volumes.h"

#define ROOT       "/volumecontent/"
#define HEADER_MAX (8 + WR_VOLUME_TOKEN_LEN) /* "Bearer " and a token, with NUL */

static void fail(struct wr_exchange *ex, enum wr_code code, const char *text)
{
    struct wr_error error = {0};

    (void)wr_fail(&error, code, 0, "%s", text);
    wr_volume_content_fail(ex, &error);
}

/* ---- who asks ---- */

/* The token that the request shows, in `out`; "" for none. To be wiped. */
static const char *find_token(const struct wr_exchange *ex, char *out, size_t cap)
{
    static const char bearer[] = "Bearer ";
    const size_t len = sizeof bearer - 1;

    if (!wr_h1_get(wr_exchange_head(ex), "Authorization", out, cap) || strlen(out) <= len ||
        !wr_memcaseeq(out, len, bearer, len))
        return "";
    return out + len;
}

/* False: answered. `ret_team_id` is the team that the token is for, "" for the operator. */
static bool admit(const struct wr_api_request *request, struct wr_exchange *ex,
                  const char *volume_id, char ret_team_id[static WR_UUID_LEN + 1])
{
    char text[HEADER_MAX] = "";

    ret_team_id[0] = '\0';
    if (request->who.is_operator)
        return true;
    const char *token = find_token(ex, text, sizeof text);
    enum wr_volume_token_state state =
        wr_volumes_check(request->server, volume_id, token, ret_team_id);
    explicit_bzero(text, sizeof text);
    if (state == WR_VOLUME_TOKEN_EXPIRED)
        fail(ex, WR_E_UNAUTHENTICATED,
             "the volume token has expired; GET /volumes/{id} has a new one");
    else if (state == WR_VOLUME_TOKEN_BAD)
        fail(ex, WR_E_UNAUTHENTICATED,
             "a token of this volume is needed: send it as Authorization: Bearer <token>");
    return state == WR_VOLUME_TOKEN_GOOD;
}

/* ---- routes ---- */

static void serve(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    const char *id = match->params[0];
    char team_id[WR_UUID_LEN + 1];
    struct wr_store_volume volume;
    struct wr_error error = {0};

    if (!wr_uuid_valid(id)) {
        fail(ex, WR_E_INVALID_ARGUMENT, "Invalid volume ID");
        return;
    }
    if (!admit(request, ex, id, team_id))
        return;
    int r = wr_store_volume_get(request->server->store, id, &volume, &error);
    if (r == -WR_E_NOT_FOUND ||
        (r == 0 && (volume.removing || (*team_id && !wr_streq(team_id, volume.team_id)))))
        fail(ex, WR_E_NOT_FOUND, "Volume not found");
    else if (r < 0)
        wr_volume_content_fail(ex, &error);
    else
        wr_volume_content_serve(request->server, &volume, ex);
}

static const struct wr_route routes[] = {
    {"GET", ROOT "{id}/path", serve},    {"PATCH", ROOT "{id}/path", serve},
    {"DELETE", ROOT "{id}/path", serve}, {"GET", ROOT "{id}/dir", serve},
    {"POST", ROOT "{id}/dir", serve},    {"GET", ROOT "{id}/file", serve},
    {"PUT", ROOT "{id}/file", serve},
};

bool wr_api_volume_content_wants(const struct wr_exchange *ex)
{
    return wr_starts_with(wr_exchange_path(ex), ROOT);
}

void wr_api_volume_content(struct wr_exchange *ex, struct wr_api_request *request)
{
    switch (wr_route_dispatch(routes, WR_ARRAY_SIZE(routes), ex, request)) {
    case WR_ROUTE_FOUND:
        return;
    case WR_ROUTE_NO_PATH:
        fail(ex, WR_E_NOT_FOUND, "there is no such path in this API");
        return;
    case WR_ROUTE_NO_METHOD:
        wr_volume_content_refuse(ex, 405, "method_not_allowed", "the path has no such method");
        return;
    }
}
