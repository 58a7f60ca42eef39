/*
 * The closed list of what the engine does for the server: typed messages on a SOCK_SEQPACKET socket
 * (sys/message.h), each a fixed header, a JSON object and file descriptors. The server includes
 * this header and nothing else of engine/.
 *
 * A request carries a sequence number; its reply has the same number and kind | WR_ACTION_REPLY.
 * Events have sequence 0. Failed requests are answered with WR_ACTION_FLAG_ERROR and {"code": <enum
 * wr_code>, "message": "..."}. The engine re-validates every field and refuses unknown ones;
 * replies may gain fields.
 */
#pragma once

#include "base/base.h"
#include "base/str.h"

#define WR_ACTION_MAGIC   0x574e5245u /* "WNRE" */
#define WR_ACTION_VERSION 1
#define WR_ACTION_MAX     (96 * 1024) /* header + payload of one message, bytes */

struct wr_action_header {
    uint32_t magic;
    uint16_t version;
    uint16_t kind; /* enum wr_action, with the bits below */
    uint32_t flags;
    uint32_t sequence;
    uint32_t length; /* of the JSON that follows, bytes */
};

#define WR_ACTION_REPLY      0x8000u
#define WR_ACTION_EVENT      0x4000u
#define WR_ACTION_FLAG_ERROR 0x1u

enum wr_action {
    /* {} -> {"version": "0.1.0", "pid": n} */
    WR_ACTION_PING = 1,
    /* {"id", "template", "cpuMillis", "memoryBytes", "diskBytes", "pids", "openFiles", "envVars":
     * {}, "accessToken": "<64 hex characters>", "sockets": n, "egress": bool, "blank": bool,
     * "volumes": [{"volume": "<uuid>", "path": "/absolute/path", "readOnly": bool}],
     * "content": bool}
     * -> {"id", "template", "cpuMillis", "memoryBytes", "diskBytes", "pids", "openFiles",
     * "createdMs", "sockets": n, "egress": m} + n sockets, then the m sockets of EGRESS. Only
     * template is required; without an id the engine chooses one, which is fast because sandboxes
     * are prepared under ids of their own. 0 or absent limits take the template's or built-in
     * defaults. The sandbox's agent demands the access token; the engine hands it over and forgets
     * it. A blank, which needs one, prepares itself for whoever gets it by ASSIGN
     * (docs/internals/blanks.md). With "content", which needs an access token and a volume at
     * WR_ACTION_CONTENT_PATH, the agent serves that volume's files
     * (docs/internals/volumes.md). */
    WR_ACTION_CREATE = 2,
    /* {"id"} -> {} when every process is gone. Idempotent while the sandbox is being removed;
     * NOT_FOUND afterwards. A CREATE that has no answer yet gets ABORTED. */
    WR_ACTION_KILL = 3,
    /* {"after": "<id>"} -> {"sandboxes": [{as the reply of CREATE}], "more": bool}; ids ascend; ""
       starts. */
    WR_ACTION_LIST = 4,
    /* {"id"} -> {"memoryBytes", "memoryPeakBytes", "memoryLimitBytes", "cacheBytes", "cpuUsec",
       "pids", "diskBytes", "diskLimitBytes", "oomKills"} */
    WR_ACTION_STATS = 5,
    /* {"id", "count"} -> {} + count non-blocking TCP sockets inside the sandbox's network
       namespace, not connected: IPv6 ones that take IPv4-mapped addresses too, or IPv4 ones on a
       host without IPv6. */
    WR_ACTION_SOCKETS = 6,
    /* {"after": "<name>"} -> {"templates": [{"name", "aliases": ["..."], "layers": n,
       "sizeBytes", "createdMs", "cpuMillis", "memoryBytes", "diskBytes",
       "zygote": "unused" | "starting" | "ready" | "none", "zygoteReason"?: "why none"}],
       "more": bool}; names ascend; "" starts. */
    WR_ACTION_TEMPLATES = 7,
    /* {} -> {}: kills every sandbox and nest and ends the engine (idle private server, tests). */
    WR_ACTION_SHUTDOWN = 8,
    /* {"id", "cpuMillis", "memoryBytes", "diskBytes", "pids"} -> as the reply of CREATE, without
     * sockets: a blank becomes an ordinary sandbox that was created now. Absent or 0 limits stay.
     * FAILED_PRECONDITION when it is no blank, or its template has changed since. */
    WR_ACTION_ASSIGN = 9,
    /* {"id"} -> {} + new sockets that take what leaves the sandbox (docs/internals/network.md), all
     * non-blocking: TCP IPv4, UDP IPv4, and on a host with IPv6 TCP IPv6, UDP IPv6. The engine
     * keeps none of them. FAILED_PRECONDITION while somebody has the earlier ones or their
     * addresses, UNIMPLEMENTED on a host that cannot redirect. */
    WR_ACTION_EGRESS = 10,
    /* {"volume": "<uuid>", "sizeBytes": n} -> {}: an empty volume with a hard limit. Idempotent. */
    WR_ACTION_VOLUME_CREATE = 11,
    /* {"volume"} -> {}. FAILED_PRECONDITION while a sandbox has it mounted, NOT_FOUND. */
    WR_ACTION_VOLUME_REMOVE = 12,
    /* {"after": "<uuid>"} -> {"volumes": [{"volume", "sizeBytes", "usedBytes", "sandboxes": n}],
     * "more": bool}; ids ascend; "" starts. */
    WR_ACTION_VOLUMES = 13,
};

enum wr_action_event {
    /* {"id", "reason": "exited" | "killed" | "oom" | "error", "status": n}: the sandbox is gone
       without a KILL. */
    WR_EVENT_GONE = 1,
    /* {"pid", "version"}: an engine is ready on this socket. Sent at every (re)start, before
     * anything else; requests that an earlier engine had not answered are lost and must be failed
     * by the server. */
    WR_EVENT_READY = 2,
};

#define WR_ACTION_MAX_ENV          (32 * 1024) /* all names and values together */
#define WR_ACTION_TOKEN_LEN        64          /* hex characters of an access token */
#define WR_ACTION_MAX_SOCKETS      16
#define WR_ACTION_EGRESS_SOCKETS   4
#define WR_ACTION_MAX_VOLUMES      8   /* mounted in one sandbox */
#define WR_ACTION_VOLUME_PATH      255 /* bytes of a mount's path */
#define WR_ACTION_VOLUME_BYTES_MIN (8 * WR_MIB)
#define WR_ACTION_VOLUME_BYTES_MAX (1024 * WR_GIB)
#define WR_ACTION_CONTENT_PATH     "/volume" /* where the sandbox of a "content" has its volume */
#define WR_ACTION_LIST_PAGE        128       /* sandboxes or templates in one reply */

/* Limits of one sandbox and their defaults. */
#define WR_CPU_MILLIS_MIN       50u
#define WR_CPU_MILLIS_MAX       256000u
#define WR_CPU_MILLIS_DEFAULT   2000u
#define WR_MEMORY_BYTES_MIN     (32 * WR_MIB)
#define WR_MEMORY_BYTES_MAX     (1024 * WR_GIB)
#define WR_MEMORY_BYTES_DEFAULT (1 * WR_GIB)
#define WR_DISK_BYTES_MIN       (8 * WR_MIB)
#define WR_DISK_BYTES_MAX       (1024 * WR_GIB)
#define WR_DISK_BYTES_DEFAULT   (4 * WR_GIB)
#define WR_PIDS_MIN             8u
#define WR_PIDS_MAX             32768u
#define WR_PIDS_DEFAULT         512u
#define WR_OPEN_FILES_MIN       64u
#define WR_OPEN_FILES_MAX       1048576u
#define WR_OPEN_FILES_DEFAULT   8192u

/* TCP ports of the agent and of its interpreter inside every sandbox. */
#define WR_AGENT_PORT       49983
#define WR_INTERPRETER_PORT 49999
