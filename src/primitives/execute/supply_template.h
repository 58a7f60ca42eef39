/* A copy of the options by which a supply makes its sandboxes, and of texts added to them. */
#pragma once

#include "base/error.h"
#include "warren/sandbox.h"

struct wr_supply_template {
    struct wr_sandbox_opts opts; /* its texts and lists are owned */
};

/* `opts` NULL: defaults. */
int wr_supply_template_init(struct wr_supply_template *ret, const struct wr_sandbox_opts *opts,
                            struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_supply_template_done(struct wr_supply_template *tmpl);

/* One pair of metadata; `value` NULL or "": left out. */
struct wr_metadata_pair {
    const char *key, *value;
};
/* The template's metadata and `pairs` behind it, except where the caller chose a value of his own
 * for the key. *ret, as one block to free with free(), borrows the template's texts. */
int wr_supply_template_metadata(const struct wr_supply_template *tmpl,
                                const struct wr_metadata_pair *pairs, size_t count,
                                const char *const **ret, size_t *ret_count, struct wr_error *err)
    WR_MUST_CHECK;
