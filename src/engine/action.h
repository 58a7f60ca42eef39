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
     * {}, "accessToken", "controlToken": "<64 hex characters>", "sockets": n, "egress": bool,
     * "blank": bool, "volumes": [{"volume": "<uuid>", "path": "/absolute/path", "readOnly": bool}],
     * "content": bool, "snapshot": "<id>"}
     * -> {"id", "template", "cpuMillis", "memoryBytes", "diskBytes", "pids", "openFiles",
     * "createdMs", "level", "sockets": n, "egress": m, "booted": bool} + n sockets, then the m
     * sockets of EGRESS. Only template is required; without an id the engine chooses one, which is
     * fast because sandboxes are prepared under ids of their own. 0 or absent limits take the
     * template's or built-in defaults. The sandbox's agent demands the access token of its clients,
     * the control token of whoever asks for /init (without one nobody can); the engine hands both
     * over and forgets them. A blank, which needs both tokens, prepares itself for whoever gets
     * it by ASSIGN (docs/internals/blanks.md).
     * With "snapshot" instead of "template": from that one, with its template, volumes and, where
     * none are given, limits; "volumes", "content" and "blank" are refused. "booted" is false when
     * memory came with it: what ran goes on, the agent still has the environment and the tokens of
     * the sandbox that the snapshot was taken of, and whoever asked has to tell it by /init what is
     * new. DATA_LOSS when the image is damaged, FAILED_PRECONDITION when this host cannot use it.
     * With "content", which needs an access token and a volume at WR_ACTION_CONTENT_PATH, the agent
     * serves that volume's files (docs/internals/volumes.md). */
    WR_ACTION_CREATE = 2,
    /* {"id"} -> {} when every process is gone, and what was saved of a hibernated one. Idempotent
     * while the sandbox is being removed; NOT_FOUND afterwards. A CREATE, PAUSE, RESUME or ROLLBACK
     * that has no answer yet gets ABORTED. What they began is finished first. */
    WR_ACTION_KILL = 3,
    /* {"after": "<id>"} -> {"sandboxes": [{as the reply of CREATE, without "sockets" and "egress";
     * with "level"; of paused ones also "pausedMs", "memory": bool and "bytes", and "reason" of one
     * that is only frozen because it cannot be dumped}], "more": bool}; ids ascend; "" starts. */
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
    /* {} -> {}: kills every sandbox and nest and ends the engine (idle private server, tests).
     * Hibernated ones stay, and so does one that is being resumed: it is hibernated again. */
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
    /*
     * {"id", "level": "frozen" | "paged" | "hibernated", "memory": bool} -> {"level", "memory",
     * "pausedMs", "bytes": n, "reason"?: "..."} when the sandbox is at that level. A running one is
     * paused, a paused one deepened; at that level already is success. "memory" false (only with
     * "hibernated"): its processes end, the files stay. One that cannot be dumped is frozen
     * instead, and "reason" says why; one without swap to page to is frozen too. RESOURCE_EXHAUSTED
     * and other errors: it goes on as before. UNAVAILABLE while another of these actions works on
     * it. FAILED_PRECONDITION for a blank. "memory" is true when absent, here and below; that of
     * the answer says what was saved: it stays as it is of one that is hibernated already.
     */
    WR_ACTION_PAUSE = 14,
    /*
     * {"id", "sockets": n, "egress": bool, "memory": bool, "envVars", "accessToken",
     * "controlToken"} -> as CREATE. Of a running one: success with "level" "running" and new
     * sockets. The last three are for a boot: when it was paused without memory, or "memory" is
     * false, which gives up the memory of a hibernated one (a frozen one is ended first). Errors as
     * those of CREATE from a snapshot; the sandbox stays paused.
     */
    WR_ACTION_RESUME = 15,
    /*
     * {"id", "snapshot": "<new id>", "memory": bool} -> {as an entry of SNAPSHOTS}: of a running or
     * frozen sandbox, which goes on as it was. FAILED_PRECONDITION when it cannot be dumped, or is
     * hibernated. ALREADY_EXISTS.
     */
    WR_ACTION_SNAPSHOT = 16,
    /* {"snapshot"} -> {}. NOT_FOUND; FAILED_PRECONDITION while a sandbox is being made from it,
     * or is hibernated at its state after a rollback. */
    WR_ACTION_SNAPSHOT_REMOVE = 17,
    /* {"after": "<id>"} -> {"snapshots": [{"snapshot", "id": "<sandbox>", "template", limits,
     * "memory": bool, "bytes": n, "createdMs", "frozenUs": n}], "more": bool}; ids ascend; ""
     * starts. */
    WR_ACTION_SNAPSHOTS = 18,
    /*
     * {"id", "snapshot", "sockets": n, "egress": bool, "envVars", "accessToken", "controlToken"}
     * -> as RESUME: the sandbox, running or paused, ends and goes on under its id as it was when
     * the snapshot was taken. The last three are for a snapshot without memory. When that fails
     * after its end it is hibernated at the snapshot's state, and the error says so.
     */
    WR_ACTION_ROLLBACK = 19,
    /* {} -> {"checkpoint": "untested" | "works" | "none", "criu": "<version>", "reason"?: "..."} */
    WR_ACTION_CHECKPOINT = 20,
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
#define WR_ACTION_LIST_PAGE        128       /* sandboxes, templates, ... in one reply */

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
