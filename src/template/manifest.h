/* A template's manifest as JSON text. Reading is strict: an unknown field, layer name or
 * environment is refused. */
#pragma once

#include "base/buf.h"
#include "template/store.h"

#define WR_MANIFEST_MAX 65536

/* `name` is what the file is called; the text has to agree. Without the field "aliases", which
 * earlier versions did not write, the default ones hold. DATA_LOSS says what is wrong. */
int wr_template_manifest_read(const char *text, size_t len, const char *name,
                              struct wr_template *ret, struct wr_error *err) WR_MUST_CHECK;
/* Gives the template the aliases that Warren's own template of that name has, if there is one. */
void wr_template_manifest_default_aliases(struct wr_template *t);
/* Refuses what wr_template_manifest_read would refuse. */
int wr_template_manifest_write(const struct wr_template *t, struct wr_buf *out,
                               struct wr_error *err) WR_MUST_CHECK;
