#include "client/snapshots.h"

#include "base/str.h"
#include "client/api_sandbox.h"
#include "client/request.h"
#include "json/jread.h"

#define SLOW_MS ((uint64_t)600000) /* gigabytes may have to be copied */

int wr_api_snapshot_create(struct wr_transport *transport, const char *sandbox_id,
                           const struct wr_snapshot_opts *opts, json_t **ret, struct wr_error *err)
{
    char target[WR_API_TARGET_MAX], body[WR_PERSIST_BODY_MAX];
    wr_auto_buf text = WR_BUF(WR_TRANSPORT_MAX_ERROR_BODY);
    wr_auto_json *answer = NULL;
    struct wr_transport_request request = {
        .method = "POST", .target = target, .content_type = "application/json", .body = body};
    const struct wr_transport_want want = {.timeout_ms = SLOW_MS, .body = &text};

    int r = wr_api_sandbox_target(sandbox_id, "/snapshots", target, err);
    if (r == 0)
        r = wr_snapshot_body(opts, body, err);
    if (r < 0)
        return r;
    request.body_len = strlen(body);
    r = wr_transport_ask(transport, &request, &want, err);
    if (r == 0)
        r = wr_json_parse(wr_buf_ptr(&text), text.len, &answer, err);
    if (r == 0 && !json_is_string(json_object_get(answer, "snapshotID")))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no snapshotID");
    if (r == 0)
        *ret = json_incref(answer);
    return r;
}

int wr_api_snapshot_list(struct wr_transport *transport, const struct wr_snapshot_list_opts *opts,
                         json_t **ret, struct wr_error *err)
{
    char target[WR_SNAPSHOT_TARGET_MAX];

    int r = wr_snapshot_list_target(opts, target, err);
    return r < 0 ? r : wr_api_pages(transport, "list of snapshots", target, ret, err);
}

int wr_api_snapshot_tree(struct wr_transport *transport, const char *id, json_t **ret,
                         struct wr_error *err)
{
    char target[WR_SNAPSHOT_TARGET_MAX];
    const struct wr_transport_request request = {.method = "GET", .target = target};
    wr_auto_json *answer = NULL;

    int r = wr_snapshot_target("/snapshots/", id, "/tree", target, err);
    if (r == 0)
        r = wr_transport_request_json(transport, &request, &answer, err);
    if (r == 0 && !json_is_array(json_object_get(answer, "nodes")))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no nodes");
    if (r == 0)
        *ret = json_incref(answer);
    return r;
}

int wr_api_snapshot_remove(struct wr_transport *transport, const char *id, struct wr_error *err)
{
    char target[WR_SNAPSHOT_TARGET_MAX];
    const struct wr_transport_request request = {.method = "DELETE", .target = target};

    int r = wr_snapshot_target("/templates/", id, "", target, err);
    return r < 0 ? r : wr_transport_request(transport, &request, SLOW_MS, NULL, err);
}
