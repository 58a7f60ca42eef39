/* The environment of a started process: a list of NAME=value where the last setting of a name wins.
 */
#pragma once

#include <jansson.h>

#include "agent/user.h"
#include "base/error.h"

#define WR_ENV_MAX_VARS  1024
#define WR_ENV_MAX_BYTES ((size_t)1024 * 1024) /* of all names and values */

#define WR_ENV_DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct wr_env {
    char **vars; /* NULL-terminated, for execve; owned, like its strings */
    size_t count;
    size_t bytes;
};

/* Sets one variable. WR_E_INVALID_ARGUMENT for an empty name or one with '=',
 * WR_E_RESOURCE_EXHAUSTED above the limits. */
int wr_env_set(struct wr_env *env, const char *name, const char *value, struct wr_error *err)
    WR_MUST_CHECK;
/* Sets every member of an object of strings; `vars` may be NULL. `what` names the object in errors.
 */
int wr_env_merge(struct wr_env *env, const json_t *vars, const char *what, struct wr_error *err)
    WR_MUST_CHECK;
/* The variables of every process: `vars` (an object of strings, may be NULL) and, going before it,
 * what tells a program that and where it is in a sandbox. Owned; NULL without memory. */
json_t *wr_env_of_sandbox(const json_t *vars, const char *sandbox_id, const char *template_id)
    WR_MUST_CHECK;
/* The value of a variable (borrowed), or NULL. */
const char *wr_env_get(const struct wr_env *env, const char *name);
/* PATH, HOME, USER, LOGNAME, then the sandbox's variables, then the request's. `env` is zeroed by
 * the caller. */
int wr_env_build(struct wr_env *env, const struct wr_user *user, const json_t *sandbox_vars,
                 const json_t *request_vars, struct wr_error *err) WR_MUST_CHECK;
/* Frees the list; accepts a zeroed one. */
void wr_env_done(struct wr_env *env);
#define wr_auto_env WR_CLEANUP(wr_env_done) struct wr_env
