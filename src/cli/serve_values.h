/* What `warren serve` can be told: the table of its options and settings, and where they go. */
#pragma once

#include "cli/opts.h"

struct wr_serve_values {
    /* settings */
    const char *api_listen, *ingress_listen;
    const char *domain;
    const char *listen; /* addresses of the domain's listeners, separated by commas */
    const char *tls_cert, *tls_key;
    uint64_t timeout_max_ms;
    uint64_t rate_requests, rate_creates, max_sandboxes; /* 0: no limit */
    uint64_t max_snapshots;                              /* of one team */
    uint64_t max_paused, max_stored;                     /* of one team; 0: any */
    uint64_t max_jobs;                                   /* 0: by the processors */
    uint64_t max_connections;                            /* of one sandbox */
    uint64_t egress;                                     /* enum wr_serve_egress */
    const char *egress_open, *webhook_open, *dns_servers, *egress_ca;
    uint64_t egress_connections, egress_bandwidth; /* of one sandbox; bytes per second, 0: any */
    uint64_t new_volume_size, max_volume_size;     /* limits of volumes, bytes */
    const char *blanks;                            /* see blank_pools.h */
    bool lenient;
    uint64_t log_format; /* enum wr_serve_log_format */
    uint64_t log_level;  /* enum wr_log_level */
    uint64_t idle_timeout_ms;
    uint64_t pause_level;                       /* enum wr_serve_pause */
    uint64_t page_after_ms, hibernate_after_ms; /* 0: never */
    uint64_t hibernate_below;                   /* percent of free memory; 0: never */
    uint64_t at_end;                            /* enum wr_serve_at_end */
    uint64_t volume_size;                       /* 0: the engine's default */
    const char *volume_path;
    const char *criu; /* NULL: looked for */
    /* only as options */
    bool check, check_config, fake, verbose;
    bool private; /* started by another command: no TCP listener and no blanks, whatever the
                     settings say */
    uint64_t ready_fd;
};

enum wr_serve_log_format { WR_LOG_FORMAT_LOGFMT = 0, WR_LOG_FORMAT_JSON = 1 };

enum wr_serve_pause {
    WR_SERVE_PAUSE_HIBERNATED = 0,
    WR_SERVE_PAUSE_PAGED = 1,
    WR_SERVE_PAUSE_FROZEN = 2,
};

enum wr_serve_at_end { WR_SERVE_AT_END_KEEP = 0, WR_SERVE_AT_END_HIBERNATE = 1 };

enum wr_serve_egress { WR_SERVE_EGRESS_ON = 0, WR_SERVE_EGRESS_OFF = 1 };

#define WR_SERVE_OPT_COUNT 43
extern const struct wr_opt wr_serve_opts[WR_SERVE_OPT_COUNT];
