#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "client/remote.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/value.h"

/* A server that does not know the path has no volumes. */
static int without_volumes(int r, struct wr_error *err)
{
    return r == -WR_E_NOT_FOUND ? wr_fail(err, WR_E_UNIMPLEMENTED, 0, "this server has no volumes")
                                : r;
}

/* The token of a volume is for who asks for it alone. */
static void drop_token(json_t *volume)
{
    (void)json_object_del(volume, "token"); /* not there: as good */
}

int wr_remote_volume_create(void *self, const struct wr_call *call, const char *name,
                            uint64_t size_bytes, struct wr_value **ret, struct wr_error *err)
{
    struct wr_remote_use use = {0};
    wr_auto_json *body = json_pack("{s:s}", "name", name);
    wr_auto_json *answer = NULL;

    if (body && size_bytes &&
        json_object_set_new(body, "sizeBytes", json_integer((json_int_t)size_bytes)) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "volume");
    wr_auto_free char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "volume");
    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = without_volumes(wr_remote_post(&use, "/volumes", text, &answer, err), err);
    wr_remote_end(&use);
    if (r == 0 && !json_is_string(json_object_get(answer, "volumeID")))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no volumeID");
    if (r == 0) {
        drop_token(answer);
        *ret = wr_value_of_json(wr_steal_ptr(&answer));
    }
    return r;
}

int wr_remote_volume_remove(void *self, const struct wr_call *call, const char *id,
                            struct wr_error *err)
{
    struct wr_remote_use use = {0};
    char target[96];
    const struct wr_transport_request request = {.method = "DELETE", .target = target};

    if (!wr_strformat(target, sizeof target, "/volumes/%s", id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.60s is not the id of a volume", id);
    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_json(&use, &request, NULL, err);
    wr_remote_end(&use);
    return r == -WR_E_NOT_FOUND ? 0 : r;
}

int wr_remote_volume_list(void *self, const struct wr_call *call, struct wr_value **ret,
                          struct wr_error *err)
{
    struct wr_remote_use use = {0};
    wr_auto_json *answer = NULL;
    size_t i;
    json_t *one;

    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = without_volumes(wr_remote_get(&use, "/volumes", &answer, err), err);
    wr_remote_end(&use);
    if (r == 0 && !json_is_array(answer))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET /volumes: the answer is no array");
    if (r < 0)
        return r;
    json_array_foreach(answer, i, one)
        drop_token(one);
    *ret = wr_value_of_json(wr_steal_ptr(&answer));
    return 0;
}
