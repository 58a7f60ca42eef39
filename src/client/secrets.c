#include "client/secrets.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "client/request.h"
#include "json/jread.h"
#include "json/jwrite.h"

#define NAME_MAX_LEN 128
#define TARGET_MAX   512
#define PAGE         100
#define MOST         1000 /* secrets of one team */

/* "/secrets[/<name>]?..." of names that need no encoding. */
static int write_target(const char *name, const char *team_id, const char *more,
                        char out[static TARGET_MAX], struct wr_error *err)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    if (*name && !wr_str_only(name, set, 1, NAME_MAX_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "\"%.60s\" is not the name of a secret: 1 to %d letters, digits, - and _",
                       name, NAME_MAX_LEN);
    if (!wr_strformat(out, TARGET_MAX, "/secrets%s%s?%s%s%s", *name ? "/" : "", name,
                      team_id ? "teamID=" : "", team_id ? team_id : "", more))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name is too long");
    return 0;
}

static int post(struct wr_transport *transport, const char *target, const struct wr_buf *body,
                json_t **ret, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "POST",
                                                 .target = target,
                                                 .content_type = "application/json",
                                                 .body = wr_buf_ptr(body),
                                                 .body_len = body->len};
    wr_auto_json *answer = NULL;

    int r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_object(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "POST /secrets: the answer has another form");
    if (r == 0)
        *ret = wr_steal_ptr(&answer);
    return r;
}

/* `name` NULL: of a change. */
static int write_body(const char *name, const char *value, struct wr_buf *out, struct wr_error *err)
{
    struct wr_jw w;

    wr_buf_clear(out);
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "name", name);
    wr_jw_kstr(&w, "value", value);
    wr_jw_end(&w);
    return wr_jw_finish(&w) < 0
               ? wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "the secret's value")
               : 0;
}

int wr_secret_set(struct wr_transport *transport, const char *team_id, const char *name,
                  const char *value, json_t **ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(16 * WR_API_SECRET_VALUE_MAX);
    char one[TARGET_MAX], all[TARGET_MAX];

    body.wipe = true;
    int r = write_target(name, team_id, "", one, err);
    if (r == 0)
        r = write_target("", team_id, "", all, err);
    if (r == 0)
        r = write_body(NULL, value, &body, err);
    if (r == 0)
        r = post(transport, one, &body, ret, err);
    if (r != -WR_E_NOT_FOUND)
        return r;
    r = write_body(name, value, &body, err);
    return r < 0 ? r : post(transport, all, &body, ret, err);
}

static int get_page(struct wr_transport *transport, const char *target, json_t *all,
                    size_t *ret_count, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "GET", .target = target};
    wr_auto_json *page = NULL;

    int r = wr_transport_request_json(transport, &request, &page, err);
    if (r < 0)
        return r;
    if (!json_is_array(page))
        return wr_fail(err, WR_E_INTERNAL, 0, "GET /secrets: the answer is no array");
    *ret_count = json_array_size(page);
    return json_array_extend(all, page) == 0
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of secrets");
}

int wr_secret_list(struct wr_transport *transport, const char *team_id, json_t **ret,
                   struct wr_error *err)
{
    wr_auto_json *all = json_array();
    char target[TARGET_MAX], more[NAME_MAX_LEN + 64] = "&limit=100";
    size_t count = PAGE;
    int r = all ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "list of secrets");

    while (r == 0 && count == PAGE && json_array_size(all) <= MOST) {
        r = write_target("", team_id, more, target, err);
        if (r == 0)
            r = get_page(transport, target, all, &count, err);
        const json_t *last = json_array_get(all, json_array_size(all) - 1);
        const char *name = json_string_value(json_object_get(last, "name"));
        /* The token of a page is the name before it. */
        if (r == 0 && count == PAGE &&
            (!name || !wr_strformat(more, sizeof more, "&limit=100&nextToken=%s", name)))
            r = wr_fail(err, WR_E_INTERNAL, 0, "GET /secrets: a secret has no name");
    }
    if (r == 0)
        *ret = wr_steal_ptr(&all);
    return r;
}

int wr_secret_remove(struct wr_transport *transport, const char *team_id, const char *name,
                     struct wr_error *err)
{
    char target[TARGET_MAX];
    const struct wr_transport_request request = {.method = "DELETE", .target = target};

    int r = write_target(name, team_id, "", target, err);
    return r < 0 ? r : wr_transport_request(transport, &request, 0, NULL, err);
}
