#include "server/api/snapshot_json.h"

#include "server/api/sandbox_json.h"

void wr_api_write_snapshot_names(struct wr_jw *w, const struct wr_store_snapshot *snapshot)
{
    wr_jw_key(w, "names");
    wr_jw_array(w);
    if (snapshot->full_name[0])
        wr_jw_str(w, snapshot->full_name);
    wr_jw_end(w);
}

void wr_api_write_snapshot(struct wr_jw *w, const struct wr_store_snapshot *snapshot)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "snapshotID", snapshot->ref);
    wr_api_write_snapshot_names(w, snapshot);
    wr_jw_kstr(w, "sandboxID", snapshot->sandbox_id);
    wr_jw_kstr(w, "parentSnapshotID", snapshot->parent_ref[0] ? snapshot->parent_ref : NULL);
    wr_api_write_time(w, "createdAt", snapshot->created_ms);
    wr_jw_kbool(w, "memory", snapshot->memory);
    wr_jw_ku64(w, "bytes", snapshot->bytes);
    if (snapshot->frozen_us)
        wr_jw_ku64(w, "frozenUs", snapshot->frozen_us);
    wr_jw_kstr(w, "template", snapshot->template_name);
    wr_jw_end(w);
}
