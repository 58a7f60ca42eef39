#include "client/network.h"

#include "base/str.h"
#include "client/api_sandbox.h"
#include "client/request.h"
#include "json/jread.h"

int wr_network_log(struct wr_transport *transport, const char *id, uint64_t after, json_t **ret,
                   struct wr_error *err)
{
    char target[128];
    struct wr_transport_request request = {.method = "GET", .target = target};
    wr_auto_json *answer = NULL;

    int r = wr_api_sandbox_id_check(id, err);
    if (r < 0)
        return r;
    if (!wr_strformat(target, sizeof target, "/sandboxes/%s/network/log?after=%llu&limit=%d", id,
                      (unsigned long long)after, WR_NETWORK_LOG_MAX))
        return wr_fail(err, WR_E_INTERNAL, 0, "path for sandbox %s", id);
    r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && (!json_is_array(json_object_get(answer, "events")) ||
                   !json_is_integer(json_object_get(answer, "next"))))
        r = wr_fail(err, WR_E_INTERNAL, 0, "GET %s: the answer is not a log", target);
    if (r == 0)
        *ret = json_incref(answer);
    return r;
}
