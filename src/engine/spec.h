/* One sandbox as it was asked for: validated, complete, and the unit of what the engine writes to
 * disk. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/str.h"
#include "engine/action.h"
#include "engine/storage/share.h"

struct wr_buf;

#define WR_SPEC_FORMAT 2

/* A volume of the API ("share" in code, storage/share.h) in one sandbox. */
struct wr_spec_share {
    char id[WR_SHARE_ID_LEN + 1];
    char path[WR_ACTION_VOLUME_PATH + 1]; /* absolute, clean */
    bool read_only;
};

struct wr_spec {
    char id[WR_ID_LEN + 1]; /* empty: the driver chooses one */
    char template_name[64];
    uint64_t cpu_millis;
    uint64_t memory_bytes;
    uint64_t disk_bytes;
    uint64_t pids;
    uint64_t open_files;
    uint64_t created_ms;
    uint64_t slot;    /* the driver's */
    uint64_t sockets; /* of a CREATE: how many to hand out; not kept */
    bool egress;      /* of a CREATE: the egress sockets too; not kept */
    struct wr_spec_share shares[WR_ACTION_MAX_VOLUMES];
    size_t share_count;
    bool content; /* of a CREATE: its agent serves the files of a share; not kept */
    bool blank;   /* prepared for nobody yet; see WR_ACTION_ASSIGN */
    json_t *env;  /* owned object of strings; NULL once the agent has it */
    char access_token[WR_ACTION_TOKEN_LEN + 1]; /* "" for none, and once the agent has it */
};

void wr_spec_done(struct wr_spec *spec);

/* Reads a CREATE payload. Absent or zero limits stay 0: wr_spec_complete() fills them. */
int wr_spec_read(const json_t *payload, struct wr_spec *ret, struct wr_error *err) WR_MUST_CHECK;
struct wr_template;
/* Limits that were not asked for come from the template, then from the built-in defaults. Limits
 * out of range are refused. */
int wr_spec_complete(struct wr_spec *spec, const struct wr_template *t, struct wr_error *err)
    WR_MUST_CHECK;

/* Limits of an ASSIGN: those that are not 0 replace what `spec` has; out of range they are refused.
 */
struct wr_spec_limits {
    uint64_t cpu_millis, memory_bytes, disk_bytes, pids;
};
int wr_spec_set_limits(struct wr_spec *spec, const struct wr_spec_limits *limits,
                       struct wr_error *err) WR_MUST_CHECK;

/* The record on disk: without secrets (env and token), which nobody needs again. */
int wr_spec_write_record(const struct wr_spec *spec, struct wr_buf *out) WR_MUST_CHECK;
int wr_spec_read_record(const json_t *record, struct wr_spec *ret, struct wr_error *err)
    WR_MUST_CHECK;
struct wr_jw;
/* {"id", "template", limits, "createdMs"} without the braces. */
void wr_spec_write_public(const struct wr_spec *spec, struct wr_jw *w);
