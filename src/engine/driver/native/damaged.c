#include "engine/driver/native/damaged.h"

#include "base/fd.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/layers.h"

int wr_damaged_load(struct wr_driver *driver, const char *id, struct wr_manifest *ret,
                    struct wr_error *err)
{
    WR_CLEANUP(wr_manifest_done) struct wr_manifest manifest = {.host = driver->host};
    struct wr_layer_names layers = {.count = 0};
    wr_auto_close int upper = -1;

    if (wr_volume_upper_open(driver->volume, id, &upper, err) < 0)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there are no files of a sandbox %s", id);
    const struct wr_kit kit = {.upper_fd = upper};
    int rc = wr_kit_load_record(&kit, &manifest.spec, err);
    if (rc == 0 && !wr_streq(manifest.spec.id, id))
        rc = wr_fail(err, WR_E_DATA_LOSS, 0, "the record of sandbox %s is another one's", id);
    if (rc == 0)
        rc = wr_layer_names_read(upper, &layers, err);
    if (rc == 0)
        rc = wr_snapshot_upper_usage(driver->snapshots, upper, &manifest.files_bytes, err);
    if (rc < 0)
        return rc;
    memcpy(manifest.id, manifest.spec.id, sizeof(manifest.id));
    memcpy(manifest.layers, layers.names, sizeof(manifest.layers));
    manifest.layer_count = layers.count;
    manifest.created_ms = manifest.spec.paused_ms;
    *ret = manifest;
    manifest = (struct wr_manifest){.files = NULL};
    return 0;
}
