/* Single files in and out of a sandbox, streamed, through the agent's /files; or of a volume,
 * through the server's /volumecontent. Blocking. */
#pragma once

#include "client/transport.h"

struct wr_file_at {
    const char *sandbox_id;     /* NULL: of the volume */
    const char *sandbox_domain; /* as its creation told; NULL: the endpoint's */
    const char *access_token;   /* of the sandbox; NULL: none; a socket needs none */
    const char *volume_id;      /* a UUID */
    const char *path; /* inside the sandbox; relative ones start at the user's home, or the volume's
                         root */
    const char *user; /* NULL: default */
};

#define WR_FILE_PATH_MAX 4096

struct wr_file_source {
    int fd;          /* a regular file at its current position; borrowed */
    uint64_t length; /* bytes to send */
    char *ret_path;  /* NULL, or WR_FILE_PATH_MAX bytes for the absolute path inside the sandbox;
                        NULL for volumes */
};

/* Missing directories are made. */
int wr_file_upload(struct wr_transport *transport, const struct wr_file_at *at,
                   const struct wr_file_source *source, struct wr_error *err) WR_MUST_CHECK;
/* Writes the file to `fd`; more than `max_bytes` is RESOURCE_EXHAUSTED. NOT_FOUND, INVALID_ARGUMENT
 * for a directory. */
int wr_file_download(struct wr_transport *transport, const struct wr_file_at *at, int fd,
                     uint64_t max_bytes, struct wr_error *err) WR_MUST_CHECK;
