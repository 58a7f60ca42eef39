/*
 * The seam behind libwarren's client: what the public functions (public_*.c) check, a driver does.
 * There is one over HTTP (remote.h), and one in memory for tests of what is above.
 *
 * All functions of a driver are called from any thread, several at once. What they return through
 * `ret` is the caller's; outputs are untouched on failure.
 */
#pragma once

#include <stdatomic.h>

#include "base/base.h"
#include "warren/code.h"
#include "warren/files.h"
#include "warren/program.h"
#include "warren/snapshot.h"

/* What a server gives for reaching a sandbox. Plain data; the tokens are secrets. */
struct wr_sandbox_access {
    char id[WR_SANDBOX_ID_MAX];
    char access_token[256], traffic_token[256]; /* "": none */
    char domain[190];                           /* of its ports, perhaps with ":port"; "": none */
};

/* How one call is made; borrowed during it. */
struct wr_call {
    const struct wr_sandbox_access *sandbox; /* NULL: none is concerned */
    const char *user;                        /* inside; NULL: "user" */
    struct wr_wait wait;                     /* `timeout_ms` 0: without end, no default */
};

struct wr_bytes {
    char *data; /* owned, NUL behind its end */
    size_t len;
};

struct wr_watch {
    const char *path;
    bool recursive;
    wr_files_watch_fn fn;
    void *data;
};

struct wr_context_spec {
    const char *language;
    const char *cwd; /* NULL: the user's home */
};

/* Arguments were checked, options are of this library's size. */
struct wr_driver_ops {
    int (*check)(void *self, const struct wr_call *call, struct wr_error *err);

    int (*sandbox_create)(void *self, const struct wr_call *call,
                          const struct wr_sandbox_opts *opts, struct wr_sandbox_access *ret,
                          struct wr_error *err);
    int (*sandbox_connect)(void *self, const struct wr_call *call, const char *id,
                           uint64_t timeout_s, struct wr_sandbox_access *ret, struct wr_error *err);
    /* Of call->sandbox only the id is known. One that is gone is success. */
    int (*sandbox_kill)(void *self, const struct wr_call *call, struct wr_error *err);
    int (*sandbox_set_timeout)(void *self, const struct wr_call *call, uint64_t timeout_s,
                               struct wr_error *err);
    /* Of call->sandbox only the id is known. */
    int (*sandbox_pause)(void *self, const struct wr_call *call, const struct wr_pause_opts *opts,
                         struct wr_value **ret, struct wr_error *err);
    int (*sandbox_resume)(void *self, const struct wr_call *call, const struct wr_resume_opts *opts,
                          struct wr_error *err);
    /* `ret` has room for opts->count. */
    int (*sandbox_fork)(void *self, const struct wr_call *call, const struct wr_fork_opts *opts,
                        struct wr_sandbox_access *ret, size_t *ret_made, struct wr_error *err);
    int (*sandbox_rollback)(void *self, const struct wr_call *call, const char *snapshot_id,
                            uint64_t timeout_s, struct wr_error *err);
    int (*sandbox_info)(void *self, const struct wr_call *call, struct wr_value **ret,
                        struct wr_error *err);
    int (*sandbox_metrics)(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err);
    int (*sandbox_list)(void *self, const struct wr_call *call, const char *const *metadata,
                        size_t metadata_count, struct wr_value **ret, struct wr_error *err);

    int (*snapshot_create)(void *self, const struct wr_call *call,
                           const struct wr_snapshot_opts *opts, struct wr_value **ret,
                           struct wr_error *err);
    int (*snapshot_list)(void *self, const struct wr_call *call,
                         const struct wr_snapshot_list_opts *opts, struct wr_value **ret,
                         struct wr_error *err);
    int (*snapshot_tree)(void *self, const struct wr_call *call, const char *id,
                         struct wr_value **ret, struct wr_error *err);
    int (*snapshot_remove)(void *self, const struct wr_call *call, const char *id,
                           struct wr_error *err);

    int (*code_run)(void *self, const struct wr_call *call, const struct wr_code_opts *opts,
                    struct wr_value **ret, struct wr_error *err);
    int (*context_create)(void *self, const struct wr_call *call,
                          const struct wr_context_spec *spec, char ret_id[static WR_CONTEXT_ID_MAX],
                          struct wr_error *err);
    int (*context_list)(void *self, const struct wr_call *call, struct wr_value **ret,
                        struct wr_error *err);
    int (*context_restart)(void *self, const struct wr_call *call, const char *id,
                           struct wr_error *err);
    int (*context_remove)(void *self, const struct wr_call *call, const char *id,
                          struct wr_error *err);

    int (*program_run)(void *self, const struct wr_call *call, const struct wr_program_opts *opts,
                       struct wr_value **ret, struct wr_error *err);
    int (*program_start)(void *self, const struct wr_call *call, const struct wr_program_opts *opts,
                         void **ret_program, struct wr_error *err);
    int (*program_wait)(void *program, const struct wr_wait *wait, struct wr_value **ret,
                        struct wr_error *err);
    int (*program_write)(void *program, const void *bytes, size_t len, const struct wr_wait *wait,
                         struct wr_error *err);
    int (*program_close_input)(void *program, const struct wr_wait *wait, struct wr_error *err);
    int (*program_resize)(void *program, uint16_t cols, uint16_t rows, const struct wr_wait *wait,
                          struct wr_error *err);
    /* Beside any other call on the same program. */
    int (*program_signal)(void *program, int signo, const struct wr_wait *wait,
                          struct wr_error *err);
    uint32_t (*program_pid)(const void *program);
    void (*program_free)(void *program);
    int (*program_list)(void *self, const struct wr_call *call, struct wr_value **ret,
                        struct wr_error *err);

    int (*file_read)(void *self, const struct wr_call *call, const char *path, uint64_t max_bytes,
                     struct wr_bytes *ret, struct wr_error *err);
    int (*file_write_all)(void *self, const struct wr_call *call, const struct wr_file *files,
                          size_t count, struct wr_error *err);
    int (*file_upload)(void *self, const struct wr_call *call, const char *path, int fd,
                       struct wr_error *err);
    int (*file_download)(void *self, const struct wr_call *call, const char *path, int fd,
                         uint64_t max_bytes, struct wr_error *err);
    int (*file_list)(void *self, const struct wr_call *call, const char *path, unsigned depth,
                     struct wr_value **ret, struct wr_error *err);
    int (*file_stat)(void *self, const struct wr_call *call, const char *path,
                     struct wr_value **ret, struct wr_error *err);
    int (*file_make_dir)(void *self, const struct wr_call *call, const char *path,
                         struct wr_error *err);
    int (*file_rename)(void *self, const struct wr_call *call, const char *from, const char *to,
                       struct wr_error *err);
    int (*file_remove)(void *self, const struct wr_call *call, const char *path,
                       struct wr_error *err);
    int (*file_watch)(void *self, const struct wr_call *call, const struct wr_watch *watch,
                      struct wr_error *err);

    /* NULL for a server without volumes. */
    int (*volume_create)(void *self, const struct wr_call *call, const char *name,
                         uint64_t size_bytes, struct wr_value **ret, struct wr_error *err);
    int (*volume_remove)(void *self, const struct wr_call *call, const char *id,
                         struct wr_error *err);
    int (*volume_list)(void *self, const struct wr_call *call, struct wr_value **ret,
                       struct wr_error *err);

    /* With the client's last holder. */
    void (*free)(void *self);
};

struct wr_driver {
    const struct wr_driver_ops *ops; /* borrowed for the client's life */
    void *self;                      /* the client's from success on */
    enum wr_backend backend;
    const char *name;            /* copied */
    uint64_t request_timeout_ms; /* 0: WR_REQUEST_TIMEOUT_MS */
};

#define WR_REQUEST_TIMEOUT_MS ((uint64_t)60000)

int wr_client_with_driver(const struct wr_driver *driver, struct wr_client **ret,
                          struct wr_error *err) WR_MUST_CHECK;
