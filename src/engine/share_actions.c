#include "engine/share_actions.h"

#include "engine/spec_shares.h"
#include "json/jread.h"
#include "json/jwrite.h"

/* Sandboxes that have it mounted, those included that are starting, ending or hibernated: an engine
 * that was started again knows them from their records. */
static size_t count_mounts(const struct wr_engine *engine, const char *id)
{
    size_t count = 0;

    for (size_t i = 0; i < engine->sandbox_count; i++)
        count += wr_spec_has_share(&engine->sandboxes[i]->spec, id);
    return count;
}

int wr_share_action_create(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                           struct wr_error *err)
{
    const char *id = NULL;
    uint64_t size_bytes = 0;
    const struct wr_json_field fields[] = {
        {.name = "volume", .kind = WR_JSON_STRING, .required = true, .ret = &id},
        {.name = "sizeBytes", .kind = WR_JSON_U64, .required = true, .ret = &size_bytes},
    };
    int rc = wr_json_read(payload, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);

    (void)w;
    return rc < 0 ? rc : engine->ops->share_make(engine->driver, id, size_bytes, err);
}

int wr_share_action_remove(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                           struct wr_error *err)
{
    const char *id = NULL;
    const struct wr_json_field field = {
        .name = "volume", .kind = WR_JSON_STRING, .required = true, .ret = &id};
    int rc = wr_json_read(payload, &field, 1, WR_JSON_REFUSE_UNKNOWN, err);

    (void)w;
    if (rc < 0)
        return rc;
    const size_t count = count_mounts(engine, id);
    if (count > 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "volume %.40s is mounted in %zu sandbox%s; kill %s first", id, count,
                       count == 1 ? "" : "es", count == 1 ? "it" : "them");
    return engine->ops->share_remove(engine->driver, id, err);
}

struct page {
    const struct wr_engine *engine;
    struct wr_jw *w;
};

static void write_share(const struct wr_share *share, void *data)
{
    const struct page *page = data;

    wr_jw_object(page->w);
    wr_jw_kstr(page->w, "volume", share->id);
    wr_jw_ku64(page->w, "sizeBytes", share->size_bytes);
    wr_jw_ku64(page->w, "usedBytes", share->used_bytes);
    wr_jw_ku64(page->w, "sandboxes", count_mounts(page->engine, share->id));
    wr_jw_end(page->w);
}

int wr_share_action_list(struct wr_engine *engine, const json_t *payload, struct wr_jw *w,
                         struct wr_error *err)
{
    const char *after = "";
    const struct wr_json_field field = {.name = "after", .kind = WR_JSON_STRING, .ret = &after};
    struct page page = {.engine = engine, .w = w};
    bool more = false;
    int rc = wr_json_read(payload, &field, 1, WR_JSON_REFUSE_UNKNOWN, err);

    if (rc < 0)
        return rc;
    wr_jw_key(w, "volumes");
    wr_jw_array(w);
    rc = engine->ops->share_list(engine->driver, after, WR_ACTION_LIST_PAGE, write_share, &page,
                                 &more, err);
    if (rc < 0)
        return rc;
    wr_jw_end(w);
    wr_jw_kbool(w, "more", more);
    return 0;
}
