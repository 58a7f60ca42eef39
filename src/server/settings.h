/*
 * What a client asked for a sandbox and the server remembers, as one JSON object in the store:
 *   "metadata": {string: string}
 *   "network": see server/api/network_config.h
 *   "allowInternetAccess": bool, absent when nobody said
 *   "lifecycle": {"autoResume": bool, "onTimeout": "kill" | "pause", "keepMemory": false (absent:
 *     true)}
 *   "mcp": any object
 *   "volumeMounts": see server/volume_mounts.h
 */
#pragma once

#include <jansson.h>

#include "base/error.h"

#define WR_METADATA_MAX_PAIRS 64
#define WR_METADATA_MAX_KEY   128  /* bytes */
#define WR_METADATA_MAX_VALUE 1024 /* bytes */
#define WR_METADATA_MAX_TOTAL 8192 /* keys and values together, bytes */

/* An object of strings within the limits above; the message names what is wrong. NULL is fine. */
int wr_metadata_check(const json_t *metadata, struct wr_error *err) WR_MUST_CHECK;
/* Borrowed; NULL when there is none. */
json_t *wr_settings_metadata(const json_t *settings);

/* What its creator wants at its deadline: a pause (else its end), and with memory. */
bool wr_settings_pauses(const json_t *settings);
bool wr_settings_pause_memory(const json_t *settings);
/* Whether traffic wakes it. */
bool wr_settings_auto_resume(const json_t *settings);

/* As one line; NULL is {}. *ret is owned by the caller. */
int wr_settings_write(const json_t *settings, char **ret, struct wr_error *err) WR_MUST_CHECK;
/* A new reference. DATA_LOSS for what was not written by this server. */
int wr_settings_read(const char *text, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
