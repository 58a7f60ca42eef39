/* The functions of the driver over HTTP: what each does is said in driver.h. `self` is a struct
 * wr_remote. */
#pragma once

#include "client/driver.h"

/* remote_sandbox.c, remote_list.c */
int wr_remote_check(void *self, const struct wr_call *call, struct wr_error *err);
int wr_remote_sandbox_create(void *self, const struct wr_call *call,
                             const struct wr_sandbox_opts *opts, struct wr_sandbox_access *ret,
                             struct wr_error *err);
int wr_remote_sandbox_connect(void *self, const struct wr_call *call, const char *id,
                              uint64_t timeout_s, struct wr_sandbox_access *ret,
                              struct wr_error *err);
int wr_remote_sandbox_kill(void *self, const struct wr_call *call, struct wr_error *err);
int wr_remote_sandbox_set_timeout(void *self, const struct wr_call *call, uint64_t timeout_s,
                                  struct wr_error *err);
int wr_remote_sandbox_info(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err);
int wr_remote_sandbox_metrics(void *self, const struct wr_call *call, struct wr_value **ret,
                              struct wr_error *err);
int wr_remote_sandbox_list(void *self, const struct wr_call *call, const char *const *metadata,
                           size_t metadata_count, struct wr_value **ret, struct wr_error *err);

/* remote_pause.c */
int wr_remote_sandbox_pause(void *self, const struct wr_call *call,
                            const struct wr_pause_opts *opts, struct wr_value **ret,
                            struct wr_error *err);
int wr_remote_sandbox_resume(void *self, const struct wr_call *call,
                             const struct wr_resume_opts *opts, struct wr_error *err);
int wr_remote_sandbox_fork(void *self, const struct wr_call *call, const struct wr_fork_opts *opts,
                           struct wr_sandbox_access *ret, size_t *ret_made, struct wr_error *err);
int wr_remote_sandbox_rollback(void *self, const struct wr_call *call, const char *snapshot_id,
                               uint64_t timeout_s, struct wr_error *err);

/* remote_snapshot.c */
int wr_remote_snapshot_create(void *self, const struct wr_call *call,
                              const struct wr_snapshot_opts *opts, struct wr_value **ret,
                              struct wr_error *err);
int wr_remote_snapshot_list(void *self, const struct wr_call *call,
                            const struct wr_snapshot_list_opts *opts, struct wr_value **ret,
                            struct wr_error *err);
int wr_remote_snapshot_tree(void *self, const struct wr_call *call, const char *id,
                            struct wr_value **ret, struct wr_error *err);
int wr_remote_snapshot_remove(void *self, const struct wr_call *call, const char *id,
                              struct wr_error *err);

/* remote_code.c, remote_context.c */
int wr_remote_code_run(void *self, const struct wr_call *call, const struct wr_code_opts *opts,
                       struct wr_value **ret, struct wr_error *err);
int wr_remote_context_create(void *self, const struct wr_call *call,
                             const struct wr_context_spec *spec,
                             char ret_id[static WR_CONTEXT_ID_MAX], struct wr_error *err);
int wr_remote_context_list(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err);
int wr_remote_context_restart(void *self, const struct wr_call *call, const char *id,
                              struct wr_error *err);
int wr_remote_context_remove(void *self, const struct wr_call *call, const char *id,
                             struct wr_error *err);

/* remote_program.c, remote_program_calls.c */
int wr_remote_program_run(void *self, const struct wr_call *call,
                          const struct wr_program_opts *opts, struct wr_value **ret,
                          struct wr_error *err);
int wr_remote_program_start(void *self, const struct wr_call *call,
                            const struct wr_program_opts *opts, void **ret_program,
                            struct wr_error *err);
int wr_remote_program_wait(void *program, const struct wr_wait *wait, struct wr_value **ret,
                           struct wr_error *err);
int wr_remote_program_write(void *program, const void *bytes, size_t len,
                            const struct wr_wait *wait, struct wr_error *err);
int wr_remote_program_close_input(void *program, const struct wr_wait *wait, struct wr_error *err);
int wr_remote_program_resize(void *program, uint16_t cols, uint16_t rows,
                             const struct wr_wait *wait, struct wr_error *err);
int wr_remote_program_signal(void *program, int signo, const struct wr_wait *wait,
                             struct wr_error *err);
uint32_t wr_remote_program_pid(const void *program);
void wr_remote_program_free(void *program);
int wr_remote_program_list(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err);

/* remote_files.c, remote_upload.c, remote_watch.c */
int wr_remote_file_read(void *self, const struct wr_call *call, const char *path,
                        uint64_t max_bytes, struct wr_bytes *ret, struct wr_error *err);
int wr_remote_file_write_all(void *self, const struct wr_call *call, const struct wr_file *files,
                             size_t count, struct wr_error *err);
int wr_remote_file_upload(void *self, const struct wr_call *call, const char *path, int fd,
                          struct wr_error *err);
int wr_remote_file_download(void *self, const struct wr_call *call, const char *path, int fd,
                            uint64_t max_bytes, struct wr_error *err);
int wr_remote_file_list(void *self, const struct wr_call *call, const char *path, unsigned depth,
                        struct wr_value **ret, struct wr_error *err);
int wr_remote_file_stat(void *self, const struct wr_call *call, const char *path,
                        struct wr_value **ret, struct wr_error *err);
int wr_remote_file_make_dir(void *self, const struct wr_call *call, const char *path,
                            struct wr_error *err);
int wr_remote_file_rename(void *self, const struct wr_call *call, const char *from, const char *to,
                          struct wr_error *err);
int wr_remote_file_remove(void *self, const struct wr_call *call, const char *path,
                          struct wr_error *err);
int wr_remote_file_watch(void *self, const struct wr_call *call, const struct wr_watch *watch,
                         struct wr_error *err);

/* remote_volumes.c */
int wr_remote_volume_create(void *self, const struct wr_call *call, const char *name,
                            uint64_t size_bytes, struct wr_value **ret, struct wr_error *err);
int wr_remote_volume_remove(void *self, const struct wr_call *call, const char *id,
                            struct wr_error *err);
int wr_remote_volume_list(void *self, const struct wr_call *call, struct wr_value **ret,
                          struct wr_error *err);
