/* The control API from the client's side: sandboxes and templates. Blocking. */
#pragma once

#include <jansson.h>

#include "client/transport.h"

/* Lifetime of what a command makes without being told one, seconds. (The API's own default is made
 * for clients that say what they want.) */
#define WR_API_SANDBOX_TIMEOUT_S 300

struct wr_api_sandbox_opts {
    const char *template_name;
    uint64_t timeout_s;                                  /* 0: WR_API_SANDBOX_TIMEOUT_S */
    uint64_t cpu_millis, memory_bytes, disk_bytes, pids; /* 0: default */
    const char *const *envs; /* "NAME=value": environment of every process */
    size_t env_count;
    const char *const *metadata; /* "key=value" */
    size_t metadata_count;
    bool no_internet;
    bool secure;     /* its agent asks for a token, which is in the answer */
    bool auto_pause; /* at its deadline it is paused instead of killed */
    const char *const *allow_out, *const *deny_out; /* entries of network.allowOut, denyOut */
    size_t allow_out_count, deny_out_count;
    const char *group;          /* network.group, or NULL */
    const char *const *volumes; /* "name:/path" or "name:/path:ro" */
    size_t volume_count;
};

#define WR_API_SANDBOX_MAX_REQUEST ((size_t)128 * 1024) /* bytes */

/* The body of a request for one. INVALID_ARGUMENT: something in it is not as it should be, or too
 * large for `out`. */
int wr_api_sandbox_write(struct wr_buf *out, const struct wr_api_sandbox_opts *opts,
                         struct wr_error *err) WR_MUST_CHECK;
/* `ret_id` receives the id; *ret (may be NULL) the whole answer, owned by the caller. */
int wr_api_sandbox_create(struct wr_transport *transport, const struct wr_api_sandbox_opts *opts,
                          char ret_id[static 21], json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND when there is none. */
int wr_api_sandbox_kill(struct wr_transport *transport, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* All, running and paused: an array, owned by the caller. */
int wr_api_sandbox_list(struct wr_transport *transport, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* The log lines that the agent of a sandbox keeps, as it gives them (text). */
int wr_api_sandbox_logs(struct wr_transport *transport, const char *id, struct wr_buf *ret,
                        struct wr_error *err) WR_MUST_CHECK;
/* For a call into a sandbox that failed with `err`: a stream that was cut says little, whether the
 * sandbox still exists says more. Returns -err->code, of what `err` holds then. */
int wr_api_sandbox_explain_cut(struct wr_transport *transport, const char *id,
                               struct wr_error *err);

#define WR_API_TARGET_MAX 64

/* INVALID_ARGUMENT for what is no id. */
int wr_api_sandbox_id_check(const char *id, struct wr_error *err) WR_MUST_CHECK;
/* "/sandboxes/<id><rest>"; INVALID_ARGUMENT for what is no id. */
int wr_api_sandbox_target(const char *id, const char *rest, char out[static WR_API_TARGET_MAX],
                          struct wr_error *err) WR_MUST_CHECK;
/* All pages of a list whose query is not empty; owned by the caller. `what` is its name in errors.
 */
int wr_api_pages(struct wr_transport *transport, const char *what, const char *target, json_t **ret,
                 struct wr_error *err) WR_MUST_CHECK;
