/*
 * From `warren serve` to the running server: one instance per socket, the engine as root, then this
 * process without any privilege for good.
 */
#pragma once

#include <stdbool.h>

#include "cli/front.h"

/* Ids of the server when /etc/passwd has no user "warren": outside every range that distributions
 * hand out. */
#define WR_SERVER_FALLBACK_ID 0x4fff0001u
#define WR_SERVER_USER        "warren"

struct wr_launch_opts {
    const char *socket_path; /* absolute */
    const char *data_dir;    /* absolute */
    const char *volume_path; /* operator's directory for writable layers, or NULL */
    uint64_t volume_size_bytes;
    const char *criu;         /* operator's program, or NULL: looked for */
    uint64_t idle_timeout_ms; /* 0: never */
    struct wr_front *front;   /* planned; borrowed */
    int ready_fd;             /* -1, or a pipe for 'R'; borrowed, and still open afterwards */
    bool fake;                /* the engine's fake driver: needs no root */
};

/* Whether the paths of socket and data directory can be ones; touches nothing. */
int wr_launch_check_paths(const struct wr_launch_opts *opts, struct wr_error *err) WR_MUST_CHECK;
/* Everything that can be said without starting anything: root, paths, whether another server runs.
 */
int wr_launch_check(const struct wr_launch_opts *opts, struct wr_error *err) WR_MUST_CHECK;
/* Returns when the server has ended. After it began this process can do nothing that needs
 * privileges. */
int wr_launch(const struct wr_launch_opts *opts, struct wr_error *err) WR_MUST_CHECK;
