/* The control API from the client's side: sandboxes and templates. Blocking. */
#pragma once

#include <jansson.h>

#include "client/client.h"

/* Lifetime of what a command makes without being told one, seconds. (The API's own default is made
 * for clients that say what they want.) */
#define WR_SANDBOX_TIMEOUT_S 300

struct wr_sandbox_opts {
    const char *template_name;
    uint64_t timeout_s;                                  /* 0: WR_SANDBOX_TIMEOUT_S */
    uint64_t cpu_millis, memory_bytes, disk_bytes, pids; /* 0: default */
    const char *const *envs; /* "NAME=value": environment of every process */
    size_t env_count;
    const char *const *metadata; /* "key=value" */
    size_t metadata_count;
    bool no_internet;
    const char *const *allow_out, *const *deny_out; /* entries of network.allowOut, denyOut */
    size_t allow_out_count, deny_out_count;
    const char *group;          /* network.group, or NULL */
    const char *const *volumes; /* "name:/path" or "name:/path:ro" */
    size_t volume_count;
};

/* `ret_id` receives the id; *ret (may be NULL) the whole answer, owned by the caller. */
int wr_sandbox_create(struct wr_client *client, const struct wr_sandbox_opts *opts,
                      char ret_id[static 21], json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* NOT_FOUND when there is none. */
int wr_sandbox_kill(struct wr_client *client, const char *id, struct wr_error *err) WR_MUST_CHECK;
/* Arrays; owned by the caller. */
int wr_sandbox_list(struct wr_client *client, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
/* The log lines that the agent of a sandbox keeps, as it gives them (text). */
int wr_sandbox_logs(struct wr_client *client, const char *id, struct wr_buf *ret,
                    struct wr_error *err) WR_MUST_CHECK;
/* For a call into a sandbox that failed with `err`: a stream that was cut says little, whether the
 * sandbox still exists says more. Returns -err->code, of what `err` holds then. */
int wr_sandbox_explain_cut(struct wr_client *client, const char *id, struct wr_error *err);
