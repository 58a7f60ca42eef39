/*
 * What an operator can set for the server. Filled by the command line, the environment and the
 * configuration file (cli/), borrowed by the server for its life, never changed after the start.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/pause_level.h"

enum wr_listener_kind {
    WR_LISTEN_LOCAL = 0,   /* Unix socket, 0600: the operator. Control API without a key; ingress by
                              E2b-Sandbox-* headers */
    WR_LISTEN_API = 1,     /* control API, with a key */
    WR_LISTEN_INGRESS = 2, /* sandboxes, by host name or headers */
    WR_LISTEN_DOMAIN = 3,  /* both, by host name: api.<domain> is the control API */
};

struct wr_listen_spec {
    enum wr_listener_kind kind;
    bool tls;
    int fd; /* listening socket; becomes the server's */
};

#define WR_MAX_LISTENERS 8

/* Limits of one key or team; 0 means no limit. */
struct wr_rate_limits {
    uint32_t requests_per_s; /* of one key, on the control API */
    uint32_t creates_per_s;  /* of one key */
    uint32_t max_sandboxes;  /* of one team, at the same time */
};

/* Sandboxes of one template that are kept ready (blanks.h). */
struct wr_blank_pool_config {
    char template_name[64];
    uint32_t count;
};
#define WR_MAX_BLANK_POOLS 8

/* What sandboxes may use of the network; the texts were checked by the command line. */
struct wr_egress_config {
    bool off;                 /* nothing gets out of any sandbox */
    const char *open;         /* ranges that the guard leaves open (egress/guard.h), or NULL */
    const char *dns_servers;  /* see egress/resolver.h; NULL: those of the host */
    const char *ca_pem;       /* further roots for servers behind a transform, PEM, or NULL */
    uint32_t max_connections; /* of one sandbox */
    uint64_t bandwidth_bytes_per_s; /* of one sandbox, both directions together; 0: no limit */
};

/* What happens to sandboxes when nobody says anything else (pause_policy.h). */
struct wr_pause_config {
    enum wr_pause_level level;   /* of a pause whose client names none; WR_PAUSE_NONE: hibernated */
    uint64_t page_after_ms;      /* what is frozen goes to swap, where there is some; 0: never */
    uint64_t hibernate_after_ms; /* what is paused to a lesser level; 0: never */
    uint32_t low_memory_pct;     /* below so much free memory that is hibernated, oldest first; 0:
                                    never */
    bool hibernate_at_end;       /* SIGTERM hibernates all; the next start resumes what ran */
};

struct wr_server_config {
    const char *state_dir;     /* directory of warren.db, owned by the server's user */
    const char *domain;        /* base domain, may carry ":port"; NULL without domain mode */
    const char *public_domain; /* `domain` of API answers: the domain, or "localhost:<ingress port>"
                                  when the ingress listens on TCP, or NULL */
    const char *api_url, *sandbox_url; /* how clients on this host reach the control API and the
                                          ingress; NULL where nothing listens */
    const char *tls_cert_pem, *tls_key_pem; /* whole PEM texts; NULL without TLS */
    const char *ca_path;    /* authority that clients have to trust, a file of dev-cert; or NULL */
    uint32_t timeout_max_s; /* longest lifetime of a sandbox */
    bool lenient;           /* unknown fields of requests are ignored, not refused */
    struct wr_rate_limits limits;
    uint32_t max_connections_per_sandbox; /* through the ingress */
    struct wr_blank_pool_config blank_pools[WR_MAX_BLANK_POOLS];
    size_t blank_pool_count;
    struct wr_egress_config egress;
    struct wr_pause_config pause;
    uint64_t
        volume_default_bytes;  /* size limit of a volume whose creator gives none; 0: built-in */
    uint64_t volume_max_bytes; /* the largest one; 0: what the engine takes */
    uint32_t max_snapshots;    /* of one team; 0: built-in */
    uint32_t max_paused;       /* sandboxes of one team; 0: any number */
    uint64_t max_stored_bytes; /* of one team's paused sandboxes and snapshots; 0: any number */
    uint32_t max_jobs;         /* saved and restored at the same time; 0: by the processors */
    const char
        *webhook_open; /* ranges that webhooks may reach besides (webhook_reach.h), or NULL */
};
