/* The files of one upload, written one after the other as their bytes come. */
#pragma once

#include "agent/fs/metadata.h"
#include "agent/user.h"
#include "base/buf.h"
#include "base/error.h"

#define WR_UPLOAD_MAX_FILES 16384 /* of one request */

struct wr_upload_file;

struct wr_upload {
    struct wr_user user;         /* who gets the files */
    struct wr_metadata metadata; /* of each; owned */
    int fd;                      /* of the file being written; -1: none */
    struct wr_upload_file *files;
    size_t count;
    struct wr_buf entries; /* JSON objects of the finished ones, with commas between */
};

/* Copies the user, takes over the metadata. */
void wr_upload_init(struct wr_upload *u, const struct wr_user *user, struct wr_metadata *metadata);
/* Frees and closes; an unfinished file stays as it is. Accepts what was done already. */
void wr_upload_done(struct wr_upload *u);

/* Opens the next file: what wr_file_create() says; WR_E_INVALID_ARGUMENT also for a path that
 * was written by this upload already, and for too many files. `path` is resolved. */
int wr_upload_begin(struct wr_upload *u, const char *path, struct wr_error *err) WR_MUST_CHECK;
/* WR_E_RESOURCE_EXHAUSTED with os_errno when the disk is full. */
int wr_upload_write(struct wr_upload *u, const char *bytes, size_t len, struct wr_error *err)
    WR_MUST_CHECK;
/* Ends the file: metadata, then its entry. */
int wr_upload_end(struct wr_upload *u, struct wr_error *err) WR_MUST_CHECK;

/* Writes the object that describes a written file: path, name, type, metadata if it has some. */
void wr_upload_write_entry(struct wr_jw *w, const char *path, int fd);
