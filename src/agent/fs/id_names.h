/* Names of owners and groups, from the sandbox's own files, for one answer with many of them. */
#pragma once

#include "agent/user.h"
#include "base/buf.h"

#define WR_ID_NAMES_CACHE 8

struct wr_id_name {
    uint32_t id;
    char text[WR_USER_NAME_MAX]; /* "": slot not used */
};

struct wr_id_table {
    struct wr_buf file;
    size_t fields; /* of a line */
    struct wr_id_name cache[WR_ID_NAMES_CACHE];
    size_t next; /* the slot that is used again next */
};

struct wr_id_names {
    bool loaded;
    struct wr_id_table users, groups;
};

/* The name, or the number as text when there is none. The files are read at the first call; the
 * text is valid until WR_ID_NAMES_CACHE further calls. `names` is zeroed by the caller. */
const char *wr_id_names_user(struct wr_id_names *names, uid_t uid);
const char *wr_id_names_group(struct wr_id_names *names, gid_t gid);
void wr_id_names_done(struct wr_id_names *names);
#define wr_auto_id_names WR_CLEANUP(wr_id_names_done) struct wr_id_names
