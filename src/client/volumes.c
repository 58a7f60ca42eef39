#include "client/volumes.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "client/request.h"
#include "json/jread.h"
#include "json/jwrite.h"

static bool is_id(const char *text)
{
    return wr_str_only(text, "0123456789abcdef-", WR_VOLUME_ID_LEN, WR_VOLUME_ID_LEN);
}

int wr_api_volume_create(struct wr_transport *transport, const char *name, uint64_t size_bytes,
                         json_t **ret, struct wr_error *err)
{
    wr_auto_buf body = WR_BUF(4096);
    wr_auto_json *answer = NULL;
    struct wr_jw w;

    wr_jw_init(&w, &body);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "name", name);
    if (size_bytes)
        wr_jw_ku64(&w, "sizeBytes", size_bytes);
    wr_jw_end(&w);
    if (wr_jw_finish(&w) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the name is too long");
    struct wr_transport_request request = {.method = "POST",
                                           .target = "/volumes",
                                           .content_type = "application/json",
                                           .body = wr_buf_ptr(&body),
                                           .body_len = body.len};
    int r = wr_transport_request_json(transport, &request, &answer, err);
    const char *id = json_string_value(json_object_get(answer, "volumeID"));
    if (r == 0 && (!id || !is_id(id)))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no volumeID");
    if (r == 0)
        *ret = wr_steal_ptr(&answer);
    return r;
}

int wr_api_volume_list(struct wr_transport *transport, json_t **ret, struct wr_error *err)
{
    struct wr_transport_request request = {.method = "GET", .target = "/volumes"};
    wr_auto_json *answer = NULL;

    int r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_array(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET /volumes: the answer is no array");
    if (r == 0)
        *ret = wr_steal_ptr(&answer);
    return r;
}

int wr_api_volume_find(struct wr_transport *transport, const char *name,
                       char ret_id[static WR_VOLUME_ID_LEN + 1], struct wr_error *err)
{
    wr_auto_json *list = NULL;
    const char *found = NULL;
    size_t i;
    json_t *item;

    int r = wr_api_volume_list(transport, &list, err);
    if (r < 0)
        return r;
    json_array_foreach(list, i, item) {
        const char *id = json_string_value(json_object_get(item, "volumeID"));
        const char *its_name = json_string_value(json_object_get(item, "name"));
        if (!id || !its_name || !is_id(id) || (!wr_streq(id, name) && !wr_streq(its_name, name)))
            continue;
        if (found)
            return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                           "several teams have a volume %.128s; say which by its id", name);
        found = id;
    }
    if (!found)
        return wr_fail(err, WR_E_NOT_FOUND, 0,
                       "there is no volume %.128s; `warren volume ls` lists those that there are",
                       name);
    memcpy(ret_id, found, WR_VOLUME_ID_LEN + 1);
    return 0;
}

int wr_api_volume_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
{
    char target[64];
    struct wr_transport_request request = {.method = "DELETE", .target = target};

    /* Checked before it becomes part of a path. */
    if (!is_id(id) || !wr_strformat(target, sizeof target, "/volumes/%s", id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a volume", id);
    return wr_transport_request(transport, &request, 0, NULL, err);
}
