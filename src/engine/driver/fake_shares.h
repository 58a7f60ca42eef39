/* The volumes of the API in the fake driver: a list in memory. */
#pragma once

#include "base/list.h"
#include "engine/driver/driver.h"

/* What wr_share_make(), wr_share_remove() and wr_share_list() of storage/share.h do. `shares` is an
 * initialised head, ordered by id. */
int wr_fake_share_make(struct wr_list *shares, const char *id, uint64_t size_bytes,
                       struct wr_error *err) WR_MUST_CHECK;
int wr_fake_share_remove(struct wr_list *shares, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
void wr_fake_share_list(const struct wr_list *shares, const char *after, size_t max, wr_share_fn fn,
                        void *data, bool *ret_more);
/* NOT_FOUND for the first of the specification that does not exist. */
int wr_fake_shares_check(const struct wr_list *shares, const struct wr_spec *spec,
                         struct wr_error *err) WR_MUST_CHECK;
void wr_fake_shares_free(struct wr_list *shares);
