/*
 * Messages between engine and nest: fixed structs on a SOCK_SEQPACKET socket (sys/message.h), no
 * JSON, because the nest must hold nothing of one sandbox when it forks the next. The engine is
 * included here by name only: both sides see this header.
 */
#pragma once

#include "base/error.h"
#include "base/str.h"

#define WR_NEST_MAGIC                                                                          \
    0x57524e37u /* "WRN7": raised on any change, so that engine and nest of different versions \
                   part cleanly */
#define WR_NEST_MAX_CONFIG   (64 * 1024) /* JSON that the agent of a new sandbox reads */
#define WR_NEST_MAX_CHILDREN 8192
#define WR_NEST_LIST_PAGE    8 /* sandboxes per LIST reply: two descriptors each */

/* Host ids: the nest's user namespace maps 0 .. WR_SLOT_COUNT * WR_SLOT_IDS - 1 to these. */
#define WR_SLOT_HOST_BASE 0x50000000u
#define WR_SLOT_IDS       65536u
#define WR_SLOT_COUNT     4096u

enum wr_nest_kind {
    /* Once per connection, before anything else. Descriptors: memfd with the seccomp program, the
       nest's own v1 tasks files. */
    WR_NEST_SETUP = 1,
    /* Descriptors: overlay mount, v1 tasks files (v1_count), v2 directory (if has_v2), volumes
       (volume_count, detached mounts). Answer: one entry, with pidfd, network namespace and status
       pipe, and no_redirect. */
    WR_NEST_SPAWN = 2,
    /* `after` in id. Answer: up to WR_NEST_LIST_PAGE entries with pidfd and network namespace each.
     */
    WR_NEST_LIST = 3,
    /* Fills the pool of network namespaces up to `count`. No answer. */
    WR_NEST_POOL = 4,
    /*
     * A zygote (docs/internals/zygote.md) in place of the one that there may be. Descriptors: those
     * of SPAWN, and behind them a memfd with the zygote's seccomp program. Without descriptors:
     * there will be none. No answer; what becomes of it is told by replies of this kind with
     * sequence 0 and entries[0].id: code 0 once it is warmed, else why it ended.
     */
    WR_NEST_ZYGOTE = 5,
    /* A network namespace with its redirect, for a sandbox that is no child of this nest (one that
       was restored). No descriptors. Answer: one entry with the namespace alone, and no_redirect.
       The nest keeps nothing of it. */
    WR_NEST_NETNS = 6,
};

/* What leaves a sandbox is handed to sockets of the host side (docs/internals/network.md). */
enum wr_nest_redirect {
    WR_NEST_REDIRECT_NONE = 0, /* nothing leads out */
    WR_NEST_REDIRECT_IP4 = 1,
    WR_NEST_REDIRECT_BOTH = 2,
};

#define WR_NEST_MAX_VOLUMES 8

/* Where a volume is mounted in a sandbox: made below the sandbox's root if it is missing. */
struct wr_nest_volume {
    char path[256]; /* absolute, clean */
    uint8_t read_only;
};

struct wr_nest_rlimits {
    uint64_t open_files;
    uint64_t memlock_bytes;
};

struct wr_nest_request {
    uint32_t magic;
    uint32_t kind;
    uint32_t sequence;
    uint32_t slot;
    char id[WR_ID_LEN + 1];
    uint8_t v1_count;
    uint8_t has_v2;
    uint8_t volume_count;
    uint32_t count;
    uint32_t shm_mib; /* size limit of /dev/shm */
    uint64_t layers;  /* SPAWN, ZYGOTE: stands for the stack of layers; a zygote serves sandboxes of
                         the same stack */
    struct wr_nest_rlimits rlimits;
    struct wr_nest_volume volumes[WR_NEST_MAX_VOLUMES];
    uint32_t config_len; /* bytes of JSON behind this struct (SPAWN) */
};

struct wr_nest_entry {
    char id[WR_ID_LEN + 1];
    uint32_t slot;
    uint32_t redirect; /* enum wr_nest_redirect: advice, since nobody relies on what a nest says */
};

struct wr_nest_reply {
    uint32_t magic;
    uint32_t kind;
    uint32_t sequence;
    uint32_t count; /* entries */
    uint32_t more;  /* LIST: not the last page */
    struct wr_nest_entry entries[WR_NEST_LIST_PAGE];
    struct wr_error error;       /* code 0: success */
    struct wr_error no_redirect; /* SPAWN: why its redirect is less than BOTH; code 0: not known */
};

/* The status pipe of a new sandbox carries one struct wr_error: code 0 when the agent listens, else
 * why it could not start. */
