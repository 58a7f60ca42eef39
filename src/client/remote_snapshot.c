#include "base/error.h"
#include "base/str.h"
#include "client/persist_request.h"
#include "client/remote.h"
#include "client/remote_access.h"
#include "client/remote_list.h"
#include "client/remote_ops.h"
#include "json/jread.h"
#include "json/value.h"

int wr_remote_snapshot_create(void *self, const struct wr_call *call,
                              const struct wr_snapshot_opts *opts, struct wr_value **ret,
                              struct wr_error *err)
{
    wr_auto_json *answer = NULL;
    char body[WR_PERSIST_BODY_MAX];

    int r = wr_snapshot_body(opts, body, err);
    if (r == 0)
        r = wr_remote_sandbox_post(self, call, "/snapshots", body, &answer, err);
    if (r == 0 && !json_is_string(json_object_get(answer, "snapshotID")))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no snapshotID");
    if (r == 0)
        *ret = wr_value_of_json(json_incref(answer));
    return r;
}

int wr_remote_snapshot_list(void *self, const struct wr_call *call,
                            const struct wr_snapshot_list_opts *opts, struct wr_value **ret,
                            struct wr_error *err)
{
    char target[WR_SNAPSHOT_TARGET_MAX];
    struct wr_remote_use use = {0};
    json_t *list = NULL;

    int r = wr_snapshot_list_target(opts, target, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_pages(&use, "list of snapshots", target, &list, err);
    wr_remote_end(&use);
    if (r == 0)
        *ret = wr_value_of_json(list);
    return r;
}

int wr_remote_snapshot_tree(void *self, const struct wr_call *call, const char *id,
                            struct wr_value **ret, struct wr_error *err)
{
    wr_auto_json *answer = NULL;
    char target[WR_SNAPSHOT_TARGET_MAX];
    struct wr_remote_use use = {0};

    int r = wr_snapshot_target("/snapshots/", id, "/tree", target, err);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_get(&use, target, &answer, err);
    wr_remote_end(&use);
    if (r == 0 && !json_is_array(json_object_get(answer, "nodes")))
        r = wr_fail(err, WR_E_INTERNAL, 0, "the server's answer has no nodes");
    if (r == 0)
        *ret = wr_value_of_json(json_incref(answer));
    return r;
}

int wr_remote_snapshot_remove(void *self, const struct wr_call *call, const char *id,
                              struct wr_error *err)
{
    char target[WR_SNAPSHOT_TARGET_MAX];
    const struct wr_transport_request request = {.method = "DELETE", .target = target};
    struct wr_remote_use use = {0};
    struct wr_error why = {0};

    int r = wr_snapshot_target("/templates/", id, "", target, &why);
    if (r == 0)
        r = wr_remote_begin(self, &call->wait, &use, &why);
    if (r == 0)
        r = wr_remote_json(&use, &request, NULL, &why);
    wr_remote_end(&use);
    if (r == 0 || r == -WR_E_NOT_FOUND)
        return 0;
    *err = why;
    return r;
}
