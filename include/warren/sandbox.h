/** @file
 * Sandboxes: made, found again, paused, resumed, and ended.
 *
 * A struct wr_sandbox is a handle: it names a sandbox and holds what its server gave for reaching
 * it. Freeing the handle does not end the sandbox; its deadline does, or wr_sandbox_kill(). All
 * functions are thread-safe, several threads may use one handle at once.
 */
#pragma once

#include "warren/client.h"

WR_BEGIN_DECLS

struct wr_sandbox;

#define WR_SANDBOX_ID_MAX 64 /**< bytes of an id, its NUL included */

/** Borrowed during the call. */
struct wr_sandbox_opts {
    size_t struct_size;
    const char *template_name; /**< NULL: "code-interpreter-v1" */
    uint64_t timeout_s;        /**< until the sandbox ends by itself; 0: 300 */
    const char *const *envs;   /**< "NAME=value", for every process */
    size_t env_count;
    const char *const *metadata; /**< "key=value" */
    size_t metadata_count;
    bool no_internet;             /**< nothing gets out of it */
    const char *const *allow_out; /**< entries of network.allowOut: addresses, networks, names */
    size_t allow_out_count;       /**< of them */
    const char *const *deny_out;  /**< entries of network.denyOut */
    size_t deny_out_count;        /**< of them */
    const char *const *volumes;   /**< "name:/path", or "name:/path:ro" */
    size_t volume_count;
    bool auto_pause;       /**< at its deadline it is paused instead of killed */
    uint64_t memory_bytes; /**< Warren only; 0: the template's */
    uint64_t cpu_millis;   /**< Warren only; 0: the template's */
};

/** *ret is the caller's. NOT_FOUND: no such template; RESOURCE_EXHAUSTED: too many sandboxes. The
 * metadata gets "warren.create" besides: a sandbox whose creation was given up is found by it, and
 * killed. All functions on a sandbox that has ended fail with ABORTED, those of this header with
 * NOT_FOUND. */
WR_PUBLIC int wr_sandbox_create(struct wr_client *client, const struct wr_sandbox_opts *opts,
                                const struct wr_wait *wait, struct wr_sandbox **ret,
                                struct wr_error *err);
/** A handle for one that exists; a paused one is resumed. It lives at least `timeout_s` more
 * seconds (0: 300). NOT_FOUND. */
WR_PUBLIC int wr_sandbox_connect(struct wr_client *client, const char *id, uint64_t timeout_s,
                                 const struct wr_wait *wait, struct wr_sandbox **ret,
                                 struct wr_error *err);
/** One more holder of the handle. Accepts NULL. */
WR_PUBLIC struct wr_sandbox *wr_sandbox_ref(struct wr_sandbox *sandbox);
/** One holder of the handle less. Accepts NULL, returns NULL. */
WR_PUBLIC struct wr_sandbox *wr_sandbox_free(struct wr_sandbox *sandbox);

/** Borrowed. */
WR_PUBLIC const char *wr_sandbox_id(const struct wr_sandbox *sandbox);
/** The client that it was made with; borrowed. */
WR_PUBLIC struct wr_client *wr_sandbox_client(const struct wr_sandbox *sandbox);
/** The host under which a port of the sandbox is reached from outside, "8000-ID.DOMAIN"; to
 * free with wr_free(). FAILED_PRECONDITION for a server without a domain. */
WR_PUBLIC int wr_sandbox_host(const struct wr_sandbox *sandbox, uint16_t port, char **ret,
                              struct wr_error *err);

/** Ends it. One that is gone already is no error. */
WR_PUBLIC int wr_sandbox_kill(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                              struct wr_error *err);
/** The same by its id. */
WR_PUBLIC int wr_sandbox_kill_id(struct wr_client *client, const char *id,
                                 const struct wr_wait *wait, struct wr_error *err);
/** From now on it lives `timeout_s` seconds. */
WR_PUBLIC int wr_sandbox_set_timeout(struct wr_sandbox *sandbox, uint64_t timeout_s,
                                     const struct wr_wait *wait, struct wr_error *err);
/** How far a paused sandbox is from running; deeper levels survive more and cost less. */
enum wr_sandbox_level {
    WR_SANDBOX_LEVEL_DEFAULT = 0, /**< WR_SANDBOX_HIBERNATED */
    WR_SANDBOX_FROZEN = 1,        /**< its memory stays where it is; ends with the host */
    WR_SANDBOX_PAGED = 2,         /**< the same, in swap; frozen where the host has none */
    WR_SANDBOX_HIBERNATED = 3,    /**< on the disk: survives everything, and costs no memory */
};

/** Borrowed during the call. */
struct wr_pause_opts {
    size_t struct_size;
    enum wr_sandbox_level level; /**< Warren only, other servers know one */
    bool files_only;             /**< without its memory: a resume boots it from its files */
};

/** It is kept by the server, for years if need be, until it is resumed or killed; its lifetime does
 * not pass meanwhile. Programs in it stand still; connections into it and out of it may be cut.
 * Returns when the level is reached, or the deepest one that can be: *ret (NULL: not wanted) is
 * {"level": "frozen", "paged" or "hibernated"}, with "reason" when it is less than was asked for,
 * and {} for a server that does not say; the caller's. One that is paused already is no error.
 * UNIMPLEMENTED for a server that cannot; RESOURCE_EXHAUSTED when there is no room for it: it goes
 * on running. */
WR_PUBLIC int wr_sandbox_pause(struct wr_sandbox *sandbox, const struct wr_pause_opts *opts,
                               const struct wr_wait *wait, struct wr_value **ret,
                               struct wr_error *err);
/** The same by its id, which does not resume it first, as getting a handle does. */
WR_PUBLIC int wr_sandbox_pause_id(struct wr_client *client, const char *id,
                                  const struct wr_pause_opts *opts, const struct wr_wait *wait,
                                  struct wr_value **ret, struct wr_error *err);

/** Borrowed during the call. */
struct wr_resume_opts {
    size_t struct_size;
    uint64_t timeout_s; /**< until it ends by itself; 0: 300 */
    bool files_only;    /**< boot it from its files, although there is its memory */
};

/** Goes on where it stood; one that runs lives at least `timeout_s` more seconds. The handle is
 * good for it as before. FAILED_PRECONDITION when what was saved does not fit this host or is
 * damaged: it stays, and `files_only` may still help. */
WR_PUBLIC int wr_sandbox_resume(struct wr_sandbox *sandbox, const struct wr_resume_opts *opts,
                                const struct wr_wait *wait, struct wr_error *err);

/** What the server says about it, an object of the E2B API (SandboxDetail): sandboxID, templateID,
 * state, metadata, startedAt, endAt, ...; of a Warren server also `pause` ({"level", "memory",
 * "reason"?, "pausedAt", "bytes"}) or, while one is under way, `pausing`. NOT_FOUND. */
WR_PUBLIC int wr_sandbox_info(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                              struct wr_value **ret, struct wr_error *err);
/** Figures over time, an array of objects (SandboxMetric): timestamp, cpuUsedPct, memUsed,
 * diskUsed,
 * ... */
WR_PUBLIC int wr_sandbox_metrics(struct wr_sandbox *sandbox, const struct wr_wait *wait,
                                 struct wr_value **ret, struct wr_error *err);
/** All of this key, an array of objects (ListedSandbox), all pages. `metadata`: only those that
 * have these ("key=value"); running and paused ones. */
WR_PUBLIC int wr_sandbox_list(struct wr_client *client, const char *const *metadata,
                              size_t metadata_count, const struct wr_wait *wait,
                              struct wr_value **ret, struct wr_error *err);

WR_END_DECLS
