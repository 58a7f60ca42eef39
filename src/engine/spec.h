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

#define WR_SPEC_FORMAT         3
#define WR_SPEC_FORMAT_OLDEST  2 /* that is read */
#define WR_SPEC_GENERATION_MAX (1LL << 62)
#define WR_SPEC_MAX_REASON     160 /* bytes; so that a page of LIST fits into a message */

/* How far a sandbox is from running (docs/internals/snapshot.md). */
enum wr_level {
    WR_LEVEL_RUNNING = 0,
    WR_LEVEL_FROZEN = 1,
    WR_LEVEL_PAGED = 2,
    WR_LEVEL_HIBERNATED = 3,
};

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
    char access_token[WR_ACTION_TOKEN_LEN + 1];  /* "" for none, and once the agent has it */
    char control_token[WR_ACTION_TOKEN_LEN + 1]; /* the same */
    char snapshot[WR_ID_LEN + 1]; /* of a CREATE: what it is made from, or ""; not kept */
    uint64_t generation;          /* how often it was resumed; see snapshot.md */
    enum wr_level level;          /* RUNNING, FROZEN or PAGED in a record */
    uint64_t paused_ms;           /* wall clock; 0 when it runs */
    char pause_reason[WR_SPEC_MAX_REASON + 1]; /* of a record: why it is no deeper; "" else */
    bool restored;                             /* no nest knows it: it came from an image */
    uint64_t redirect;                         /* of one that was restored: enum wr_nest_redirect */
};

void wr_spec_done(struct wr_spec *spec);
/* *ret is the caller's; they share the environment, which nobody changes. */
void wr_spec_copy(const struct wr_spec *spec, struct wr_spec *ret);
/* "running", "frozen", ... */
const char *wr_level_name(enum wr_level level);
/* The level of that name; INVALID_ARGUMENT. */
int wr_level_read(const char *name, enum wr_level *ret, struct wr_error *err) WR_MUST_CHECK;

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

/* The record on disk: without secrets (env and tokens), which nobody needs again. Records of format
 * 2, which knew no levels, are read too. */
int wr_spec_write_record(const struct wr_spec *spec, struct wr_buf *out) WR_MUST_CHECK;
int wr_spec_read_record(const json_t *record, struct wr_spec *ret, struct wr_error *err)
    WR_MUST_CHECK;
struct wr_jw;
/* {"id", "template", limits} and {the same, "createdMs"}, without the braces. */
void wr_spec_write_limits(const struct wr_spec *spec, struct wr_jw *w);
void wr_spec_write_public(const struct wr_spec *spec, struct wr_jw *w);
