#include "engine/request.h"

#include <errno.h>

#include "engine/states.h"
#include "json/jwrite.h"

int wr_action_answer(const struct wr_action_request *r, struct wr_jw *w, struct wr_buf *text,
                     const int *fds, size_t fd_count, struct wr_error *err)
{
    int rc = wr_jw_finish(w);
    const char *json = rc == 0 ? wr_buf_cstr(text) : NULL;

    if (!json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, rc ? -rc : ENOMEM, "write the reply");
    wr_engine_reply(r->engine, r->kind, r->sequence, json, fds, fd_count);
    return 0;
}

int wr_action_find_id(const struct wr_action_request *r, const char *id,
                      struct wr_engine_sandbox **ret, struct wr_error *err)
{
    struct wr_engine_sandbox *s = wr_engine_find(r->engine, id);

    if (!s)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no sandbox %.40s", id);
    int rc = wr_state_check(s, r->kind, err);
    if (rc == 0)
        *ret = s;
    return rc;
}

int wr_action_find(const struct wr_action_request *r, const struct wr_json_field *extra,
                   size_t extra_count, struct wr_engine_sandbox **ret, struct wr_error *err)
{
    const char *id = NULL;
    struct wr_json_field fields[1 + WR_ACTION_MAX_FIELDS] = {
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &id}};

    for (size_t i = 0; i < extra_count; i++)
        fields[1 + i] = extra[i];
    int rc = wr_json_read(r->payload, fields, 1 + extra_count, WR_JSON_REFUSE_UNKNOWN, err);
    return rc < 0 ? rc : wr_action_find_id(r, id, ret, err);
}

int wr_action_check_open(const struct wr_engine *engine, struct wr_error *err)
{
    return engine->shutdown_sequence
               ? wr_fail(err, WR_E_UNAVAILABLE, 0, "the engine is shutting down")
               : 0;
}
