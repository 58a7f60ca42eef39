/*
 * Users of the sandbox, from its own /etc/passwd and /etc/group. Whoever is root in the sandbox
 * writes those files, so they are hostile input: bounded size, bounded lines, malformed lines are
 * skipped. No NSS: the agent is linked statically and must not load libraries from the sandbox.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

#define WR_USER_FILE_MAX      ((size_t)1024 * 1024) /* bytes of passwd or group that are looked at */
#define WR_USER_LINE_MAX      4096                  /* longer lines are skipped */
#define WR_USER_NAME_MAX      64
#define WR_USER_HOME_MAX      1024
#define WR_USER_PASSWD_FIELDS 7
#define WR_USER_GROUP_FIELDS  4
#define WR_USER_MAX_GROUPS    64 /* further supplementary groups are left out */

struct wr_user {
    char name[WR_USER_NAME_MAX];
    char home[WR_USER_HOME_MAX]; /* absolute; "/" when the file has none */
    uid_t uid;
    gid_t gid;
    size_t group_count;
    gid_t groups[WR_USER_MAX_GROUPS]; /* groups[0] is the primary one */
};

/* Finds `name` in the text of a passwd file; the first well-formed line wins. False when there is
 * none; `out` is then untouched. */
bool wr_user_find(const char *passwd, size_t len, const char *name, struct wr_user *out)
    WR_MUST_CHECK;
/* Adds the groups that list the user as a member, without doubles. */
void wr_user_add_groups(const char *group, size_t len, struct wr_user *user);

/* The name of an id in the text of a passwd or group file, whose lines have `field_count` fields.
 * `out` is untouched when there is none. */
bool wr_user_name_of(const char *text, size_t len, size_t field_count, uint32_t id,
                     char out[static WR_USER_NAME_MAX]) WR_MUST_CHECK;
/* Reads one of the two files, cut at the buffer's maximum. 0 or -errno; what is no regular file is
 * -EINVAL. */
int wr_user_read_file(const char *path, struct wr_buf *out) WR_MUST_CHECK;

/* Both, from /etc. WR_E_NOT_FOUND for an unknown user, WR_E_INTERNAL when /etc/passwd cannot be
 * read. */
int wr_user_lookup(const char *name, struct wr_user *out, struct wr_error *err) WR_MUST_CHECK;
