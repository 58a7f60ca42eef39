/* Which CRIU is used. */
#pragma once

#include "base/error.h"

#define WR_CRIU_PATH_MAX 256

/* Where `warren criu install` puts it: root's services find it there, a cleaned cache does not take
 * it away from hibernated sandboxes, and it may be executed there, which some hosts forbid below
 * /var. */
#define WR_CRIU_DIRECTORY "/usr/local/lib/warren"

/* A program of which the version was asked. */
struct wr_criu {
    char path[WR_CRIU_PATH_MAX]; /* absolute, without links */
    char version[32];            /* "4.2.1-warren8" */
    /* Directory of root's where it keeps what it found out about the kernel, which takes it 5 to 25
       ms otherwise; "": nowhere. Whoever names it empties it when that may have changed. */
    char facts[WR_CRIU_PATH_MAX];
};

/*
 * `path`: the operator's, or NULL for WR_CRIU_DIRECTORY and then the cache of tools/build-criu. It
 * has to be our build, belong to root and be writable for nobody else. FAILED_PRECONDITION with the
 * command that mends it: none there, a distribution's (which cannot dump a sandbox), or too old.
 */
int wr_criu_find(const char *path, struct wr_criu *ret, struct wr_error *err) WR_MUST_CHECK;

/* Whether a program of that version (as CRIU prints it) serves on a kernel of that release. */
int wr_criu_fits(const char *version, const char *kernel, struct wr_error *err) WR_MUST_CHECK;
/* Whether nobody but root can replace that file, absolute and without links: it and the directories
 * that lead to it. */
int wr_criu_check_owner(const char *path, struct wr_error *err) WR_MUST_CHECK;
