/* Answers about a volume's content. */
#pragma once

#include <sys/stat.h>

#include "http/server.h"
#include "json/jwrite.h"

/* {"code": "<word>", "message": "..."}. The first waits for the end of the request's body, for
 * handlers that have set no callbacks; the second does not. */
void wr_content_fail(struct wr_exchange *ex, int status, const char *fmt, ...) WR_PRINTF(3, 4);
void wr_content_fail_now(struct wr_exchange *ex, int status, const char *fmt, ...) WR_PRINTF(3, 4);
/* Status and text for a failed system call; `doing`: "read", "make". */
void wr_content_fail_errno(struct wr_exchange *ex, int os_errno, const char *doing,
                           const char *path);
void wr_content_fail_errno_now(struct wr_exchange *ex, int os_errno, const char *doing,
                               const char *path);

/* Writes the object that describes an entry: `name` in the directory `dirfd`, "" for the directory
 * itself; `path` is how the client knows it. */
void wr_content_entry_write(struct wr_jw *w, int dirfd, const char *name, const char *path,
                            const struct stat *st);
/* The answer that consists of it. */
void wr_content_entry_reply(struct wr_exchange *ex, int status, int dirfd, const char *name,
                            const char *path, const struct stat *st);
