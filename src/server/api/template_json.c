#include "server/api/template_json.h"

#include "server/api/sandbox_json.h"

/* Templates have no namespace, so "aliases" and "names" are the same: the name, then aliases. */
static void write_names(struct wr_jw *w, const char *key, const struct wr_template_entry *entry)
{
    wr_jw_key(w, key);
    wr_jw_array(w);
    wr_jw_str(w, entry->name);
    for (size_t i = 0; i < WR_TEMPLATE_MAX_ALIASES && entry->aliases[i][0]; i++)
        wr_jw_str(w, entry->aliases[i]);
    wr_jw_end(w);
}

static void write_null(struct wr_jw *w, const char *key)
{
    wr_jw_key(w, key);
    wr_jw_null(w);
}

static void write_sizes(struct wr_jw *w, const struct wr_template_entry *entry)
{
    wr_jw_ku64(w, "cpuCount", wr_api_cpu_count(entry->cpu_millis));
    wr_jw_ku64(w, "memoryMB", entry->memory_bytes / WR_MIB);
    wr_jw_ku64(w, "diskSizeMB", entry->disk_bytes / WR_MIB);
    wr_jw_kstr(w, "envdVersion", WR_ENVD_VERSION);
    wr_api_write_time(w, "createdAt", entry->created_ms);
    wr_api_write_time(w, "updatedAt", entry->created_ms);
}

/* Uses are not counted: what E2B shows of default templates of another team. */
static void write_common(struct wr_jw *w, const struct wr_template_entry *entry)
{
    wr_jw_kstr(w, "templateID", entry->id);
    wr_jw_kstr(w, "buildID", entry->build_id);
    write_names(w, "aliases", entry);
    write_names(w, "names", entry);
    wr_jw_kbool(w, "public", true);
    wr_jw_kbool(w, "isDefault", true);
    wr_jw_kstr(w, "buildStatus", "ready");
    write_null(w, "createdBy");
    write_null(w, "lastSpawnedAt");
    wr_jw_ku64(w, "spawnCount", 0);
    wr_jw_ku64(w, "buildCount", 1);
    wr_jw_ku64(w, "layers", entry->layers);
    wr_jw_ku64(w, "sizeBytes", entry->size_bytes);
    if (entry->zygote[0])
        wr_jw_kstr(w, "zygote", entry->zygote);
    if (entry->zygote_reason[0])
        wr_jw_kstr(w, "zygoteReason", entry->zygote_reason);
    write_sizes(w, entry);
}

void wr_api_write_template(struct wr_jw *w, const struct wr_template_entry *entry)
{
    wr_jw_object(w);
    write_common(w, entry);
    wr_jw_end(w);
}

void wr_api_write_template_builds(struct wr_jw *w, const struct wr_template_entry *entry)
{
    wr_jw_object(w);
    write_common(w, entry);
    wr_jw_key(w, "builds");
    wr_jw_array(w);
    wr_jw_object(w);
    wr_jw_kstr(w, "buildID", entry->build_id);
    wr_jw_kstr(w, "status", "ready");
    wr_api_write_time(w, "finishedAt", entry->created_ms);
    write_sizes(w, entry);
    wr_jw_end(w);
    wr_jw_end(w);
    wr_jw_end(w);
}

void wr_api_write_template_tag(struct wr_jw *w, const struct wr_template_entry *entry)
{
    wr_jw_object(w);
    wr_jw_kstr(w, "tag", WR_TEMPLATE_TAG);
    wr_jw_kstr(w, "buildID", entry->build_id);
    wr_api_write_time(w, "createdAt", entry->created_ms);
    wr_jw_end(w);
}
