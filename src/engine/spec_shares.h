/* The part of a sandbox's specification that is about the volumes of the API ("shares" in code,
 * storage/share.h): reading, checking and writing. */
#pragma once

#include "engine/spec.h"

/* Reads the array "volumes" of a CREATE or a record into spec->shares. INVALID_ARGUMENT naming the
 * field and its index. */
int wr_spec_shares_read(const json_t *array, struct wr_spec *spec, struct wr_error *err)
    WR_MUST_CHECK;
/* What a sandbox that serves the content of a volume must have. */
int wr_spec_content_check(const struct wr_spec *spec, struct wr_error *err) WR_MUST_CHECK;
/* "volumes": [...]; nothing when there are none. */
void wr_spec_shares_write(const struct wr_spec *spec, struct wr_jw *w);
bool wr_spec_has_share(const struct wr_spec *spec, const char *id);
