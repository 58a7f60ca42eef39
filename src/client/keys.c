#include "client/keys.h"

#include "base/buf.h"
#include "base/str.h"
#include "client/request.h"
#include "json/jread.h"
#include "json/jwrite.h"

static int get(struct wr_transport *transport, const char *target, json_type type, json_t **ret,
               struct wr_error *err)
{
    struct wr_transport_request request = {.method = "GET", .target = target};
    wr_auto_json *answer = NULL;

    int r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && (!answer || json_typeof(answer) != type))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET %s: the answer has another form", target);
    if (r < 0)
        return r;
    *ret = answer;
    answer = NULL;
    return 0;
}

/* {"name": ..., "teamID": ...} */
static int post(struct wr_transport *transport, const char *target, const char *name,
                const char *team_id, json_t **ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(4096);
    wr_auto_json *answer = NULL;
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "name", name);
    wr_jw_kstr(&w, "teamID", team_id);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name is too long");
    struct wr_transport_request request = {.method = "POST",
                                           .target = target,
                                           .content_type = "application/json",
                                           .body = wr_buf_ptr(&body),
                                           .body_len = body.len};
    int r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_object(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "POST %s: the answer has another form", target);
    if (r < 0)
        return r;
    *ret = answer;
    answer = NULL;
    return 0;
}

int wr_server_info(struct wr_transport *transport, json_t **ret, struct wr_error *err)
{
    return get(transport, "/version", JSON_OBJECT, ret, err);
}

int wr_key_create(struct wr_transport *transport, const char *name, const char *team_id,
                  json_t **ret, struct wr_error *err)
{
    wr_auto_json *answer = NULL;

    int r = post(transport, "/api-keys", name, team_id, &answer, err);
    if (r < 0)
        return r;
    if (!json_is_string(json_object_get(answer, "key")) ||
        !json_is_string(json_object_get(answer, "id")))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no key");
    *ret = answer;
    answer = NULL;
    return 0;
}

int wr_key_list(struct wr_transport *transport, json_t **ret, struct wr_error *err)
{
    return get(transport, "/api-keys", JSON_ARRAY, ret, err);
}

int wr_key_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
{
    char target[64];
    struct wr_transport_request request = {.method = "DELETE", .target = target};

    /* Checked before it becomes part of a path. */
    if (!wr_str_only(id, "0123456789abcdef-", 36, 36) ||
        !wr_strformat(target, sizeof target, "/api-keys/%s", id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "%.60s is not the id of a key, as `warren key ls` shows it", id);
    return wr_transport_request(transport, &request, 0, NULL, err);
}

int wr_team_create(struct wr_transport *transport, const char *name, json_t **ret,
                   struct wr_error *err)
{
    return post(transport, "/teams", name, NULL, ret, err);
}

int wr_team_list(struct wr_transport *transport, json_t **ret, struct wr_error *err)
{
    return get(transport, "/teams", JSON_ARRAY, ret, err);
}

const json_t *wr_team_find(const json_t *teams, const char *wanted)
{
    static const char *const members[] = {"teamID", "slug", "name"};

    for (size_t m = 0; m < WR_ARRAY_SIZE(members); m++) {
        for (size_t i = 0; i < json_array_size(teams); i++) {
            const json_t *team = json_array_get(teams, i);
            const char *text = json_string_value(json_object_get(team, members[m]));
            if (text && wr_streq(text, wanted))
                return team;
        }
    }
    return NULL;
}
