/*
 * Which volumes a sandbox has mounted, and where: `volumeMounts` of a creation, and the same in the
 * settings of a sandbox (settings.h), with "volumeID" for the server's own use.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/action.h"
#include "server/store/store.h"

struct wr_volume_mount {
    char volume_id[WR_UUID_LEN + 1];
    char name[WR_STORE_NAME_MAX + 1];
    char path[WR_ACTION_VOLUME_PATH + 1];
    bool read_only;
};

struct wr_volume_mounts {
    struct wr_volume_mount items[WR_ACTION_MAX_VOLUMES];
    size_t count;
};

/* What a client asks for: [{"name", "path", "readOnly"?}] of volumes of that team. With
 * INVALID_ARGUMENT `problems` has the text of the answer, one line per mount that is wrong. */
int wr_volume_mounts_read(struct wr_store *store, const char *team_id, const json_t *array,
                          bool lenient, struct wr_volume_mounts *ret, struct wr_buf *problems,
                          struct wr_error *err) WR_MUST_CHECK;
/* As a sandbox's settings keep them; a new reference, NULL without memory. */
json_t *wr_volume_mounts_to_json(const struct wr_volume_mounts *mounts);
/* Whether a sandbox with these settings has the volume mounted. */
bool wr_volume_mounts_have(const json_t *settings, const char *volume_id);
