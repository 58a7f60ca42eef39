/*
 * IDs of templates and of their builds, as E2B's clients know them. They are not stored: they are
 * derived from names, so that they stay the same when a template is made again, and on another
 * host. They must never change.
 */
#pragma once

#include "base/base.h"

#define WR_TEMPLATE_ID_LEN 20
#define WR_BUILD_ID_LEN    36

/* 20 characters of [a-z0-9], from SHA-256 of the name. */
void wr_template_id(const char *name, char out[static WR_TEMPLATE_ID_LEN + 1]);
/* A UUID of version 4 that changes when the template is made again. */
void wr_template_build_id(const char *name, uint64_t created_ms,
                          char out[static WR_BUILD_ID_LEN + 1]);
