/* What requests for a volume's content say, read strictly. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "http/server.h"

#define WR_CONTENT_MAX_DEPTH 10
#define WR_CONTENT_MAX_ID    65535 /* ids that a sandbox has */
#define WR_CONTENT_MAX_MODE  07777
/* Owner of what is made without another one: "user" of every template. */
#define WR_CONTENT_ID        1000
#define WR_CONTENT_DIR_MODE  0777
#define WR_CONTENT_FILE_MODE 0666

/* The query. */
struct wr_content_query {
    char path[PATH_MAX]; /* absolute, clean */
    uint32_t depth;      /* of a listing */
    uid_t uid;
    gid_t gid;
    mode_t mode;
    bool has_mode; /* else it is the caller's to choose */
    bool force;    /* make missing parents, tolerate what is there */
};

/* INVALID_ARGUMENT names the field. */
int wr_content_query_read(const struct wr_exchange *ex, struct wr_content_query *ret,
                          struct wr_error *err) WR_MUST_CHECK;
/* `raw` as a client gives it, which is relative to the root of the volume with or without a slash:
 * without ".", "..", double slashes. False when it is empty or too long. */
bool wr_content_path(const char *raw, char out[static PATH_MAX]) WR_MUST_CHECK;

/* The body of a PATCH: what is to be changed. */
struct wr_content_change {
    bool has_uid, has_gid, has_mode;
    uint64_t uid, gid, mode;
};
int wr_content_change_read(const char *body, size_t len, struct wr_content_change *ret,
                           struct wr_error *err) WR_MUST_CHECK;
