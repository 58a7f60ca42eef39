/* Moving a sandbox's memory to swap. Blocks: for jobs. */
#pragma once

#include "base/error.h"

struct wr_kit;

/* Every mapping of every process in the kit's control group, frozen ones too. *ret_bytes: how much
 * was asked for; what of it was in memory is not told. One that ends meanwhile is nobody's fault.
 */
int wr_page_out(const struct wr_kit *kit, uint64_t *ret_bytes, struct wr_error *err) WR_MUST_CHECK;
