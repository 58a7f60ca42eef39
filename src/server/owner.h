/*
 * The text that the server leaves with the engine for each sandbox, so that a server that starts
 * anew loses nothing:
 * {"format": 1, "deadlineMs": n, "metadata": {...}}.
 */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/action.h"

#define WR_METADATA_MAX_PAIRS 64
#define WR_METADATA_MAX_KEY   128  /* bytes */
#define WR_METADATA_MAX_VALUE 1024 /* bytes */
#define WR_METADATA_MAX_TOTAL \
    8192 /* keys and values together, bytes; escaped at most doubled: below WR_ACTION_MAX_OWNER */

/* An object of strings within the limits above; the message names what is wrong. */
int wr_metadata_check(const json_t *metadata, struct wr_error *err) WR_MUST_CHECK;

/* Appends the text. `metadata` may be NULL. RESOURCE_EXHAUSTED when it exceeds WR_ACTION_MAX_OWNER.
 */
int wr_owner_write(struct wr_buf *out, uint64_t deadline_ms, const json_t *metadata,
                   struct wr_error *err) WR_MUST_CHECK;
/* *ret_metadata: a new reference or NULL when there is none. */
int wr_owner_read(const char *text, uint64_t *ret_deadline_ms, json_t **ret_metadata,
                  struct wr_error *err) WR_MUST_CHECK;
