/* Files that run puts into the sandbox: the program itself and the ones of --file. */
#pragma once

#include "client/files.h"

/* Copies the program (`file`, "-" for standard input under `name_if_stdin`) to the user's home.
 * `ret_path`: WR_FILE_PATH_MAX bytes. */
int wr_program_upload(struct wr_transport *client, const char *sandbox_id, const char *file,
                      const char *name_if_stdin, char *ret_path, struct wr_error *err)
    WR_MUST_CHECK;
/* "HOST:PATH". */
int wr_program_add_file(struct wr_transport *client, const char *sandbox_id, const char *spec,
                        struct wr_error *err) WR_MUST_CHECK;
/* Opens a regular file for reading. INVALID_ARGUMENT for directories and others. */
int wr_open_regular(const char *path, int *ret_fd, uint64_t *ret_size, struct wr_error *err)
    WR_MUST_CHECK;
