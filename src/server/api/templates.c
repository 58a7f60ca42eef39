#include "server/api/templates.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "server/api/errors.h"
#include "server/api/op.h"
#include "server/api/sandboxes.h"
#include "server/server.h"

#define MAX_TEMPLATES 4096

static int write_template(struct wr_jw *w, const json_t *json, struct wr_error *err)
{
    const char *name = NULL;
    uint64_t layers = 0, size_bytes = 0, created_ms = 0;
    char created[25];
    const struct wr_json_field fields[] = {
        {.name = "name", .kind = WR_JSON_STRING, .required = true, .ret = &name, .max = 63},
        {.name = "layers", .kind = WR_JSON_U64, .ret = &layers},
        {.name = "sizeBytes", .kind = WR_JSON_U64, .ret = &size_bytes},
        {.name = "createdMs", .kind = WR_JSON_U64, .ret = &created_ms},
    };

    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, err);
    if (r < 0)
        return wr_wrap(err, "the engine's record of a template");
    wr_format_rfc3339(created_ms, created);
    wr_jw_object(w);
    wr_jw_kstr(w, "templateID", name);
    wr_jw_key(w, "aliases");
    wr_jw_array(w);
    wr_jw_str(w, name);
    wr_jw_end(w);
    wr_jw_key(w, "names");
    wr_jw_array(w);
    wr_jw_str(w, name);
    wr_jw_end(w);
    wr_jw_kbool(w, "public", true);
    wr_jw_kstr(w, "buildStatus", "ready");
    wr_jw_kstr(w, "envdVersion", WR_ENVD_VERSION);
    wr_jw_ku64(w, "layers", layers);
    wr_jw_ku64(w, "sizeBytes", size_bytes);
    wr_jw_kstr(w, "createdAt", created);
    wr_jw_kstr(w, "updatedAt", created);
    wr_jw_end(w);
    return 0;
}

static void on_templates(const struct wr_engine_reply *reply, const struct wr_error *error,
                         void *data)
{
    struct wr_api_op *op = data;
    wr_auto_buf body = WR_BUF(4 * 1024 * 1024);
    struct wr_error own = {0};
    json_t *list = NULL, *item;
    struct wr_jw w;
    size_t i;
    const struct wr_json_field fields[] = {
        {.name = "templates",
         .kind = WR_JSON_ARRAY,
         .required = true,
         .ret = &list,
         .max = MAX_TEMPLATES},
    };

    wr_jw_init(&w, &body);
    wr_jw_array(&w);
    int r = error ? -1
                  : wr_json_read(reply->json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN,
                                 &own);
    json_array_foreach(list, i, item) {
        if (r == 0)
            r = write_template(&w, item, &own);
    }
    if (op->ex && r < 0)
        wr_api_fail(op->ex, error ? error : &own);
    if (op->ex && r == 0) {
        wr_jw_end(&w);
        wr_api_reply_json(op->ex, 200, &body, wr_jw_finish(&w));
    }
    wr_api_op_end(op);
}

void wr_api_templates_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    struct wr_server *server = data;
    struct wr_api_op *op = wr_api_op_new(server, ex);
    struct wr_engine_request request = {.action = WR_ACTION_TEMPLATES, .json = "{}", .len = 2};
    struct wr_error error = {0};

    (void)match;
    if (!op)
        return;
    wr_exchange_set_ops(ex, &wr_api_op_exchange_ops, op);
    op->busy = true;
    if (wr_engine_call(server->engine, &request, on_templates, op, &error) < 0) {
        op->busy = false;
        wr_api_fail(ex, &error);
    }
}
