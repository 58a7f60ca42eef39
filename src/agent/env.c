#include "agent/env.h"

#include "base/alloc.h"
#include "base/str.h"

static char **find(const struct wr_env *env, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < env->count; i++) {
        if (strncmp(env->vars[i], name, len) == 0 && env->vars[i][len] == '=')
            return &env->vars[i];
    }
    return NULL;
}

int wr_env_set(struct wr_env *env, const char *name, const char *value, struct wr_error *err)
{
    if (name[0] == '\0' || strchr(name, '=')) {
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "environment variable name '%.64s' is empty or contains '='", name);
    }
    size_t size = strlen(name) + strlen(value) + 2;
    char **slot = find(env, name);
    size_t old = slot ? strlen(*slot) + 1 : 0;
    if ((!slot && env->count >= WR_ENV_MAX_VARS) || env->bytes - old + size > WR_ENV_MAX_BYTES) {
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "the environment is too large: at most %d variables and %zu bytes",
                       WR_ENV_MAX_VARS, WR_ENV_MAX_BYTES);
    }

    wr_auto_free char *text = wr_asprintf("%s=%s", name, value);
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the environment");
    if (!slot) {
        char **grown = realloc(env->vars, (env->count + 2) * sizeof(*grown));
        if (!grown)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the environment");
        env->vars = grown;
        slot = &env->vars[env->count++];
        *slot = NULL;
        env->vars[env->count] = NULL;
    }
    free(*slot);
    *slot = wr_steal_ptr(&text);
    env->bytes = env->bytes - old + size;
    return 0;
}

int wr_env_merge(struct wr_env *env, const json_t *vars, const char *what, struct wr_error *err)
{
    const char *name;
    json_t *value;
    /* jansson's iteration takes a non-const object and does not change it. */
    json_t *object = (json_t *)(uintptr_t)vars; // NOLINT(performance-no-int-to-ptr)

    if (!vars)
        return 0;
    json_object_foreach(object, name, value) {
        if (!json_is_string(value) ||
            strlen(json_string_value(value)) != json_string_length(value)) {
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%s: '%.64s' is not a string without NUL bytes", what, name);
        }
        int rc = wr_env_set(env, name, json_string_value(value), err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

json_t *wr_env_of_sandbox(const json_t *vars, const char *sandbox_id, const char *template_id)
{
    const struct {
        const char *name, *value;
    } reserved[] = {
        {"E2B_SANDBOX", "true"}, {"E2B_SANDBOX_ID", sandbox_id}, {"E2B_TEMPLATE_ID", template_id}};
    /* jansson's copy takes a non-const object and does not change it. */
    json_t *all = vars ? json_copy((json_t *)(uintptr_t)vars) // NOLINT(performance-no-int-to-ptr)
                       : json_object();

    for (size_t i = 0; i < WR_ARRAY_SIZE(reserved); i++) {
        if (json_object_set_new(all, reserved[i].name, json_string(reserved[i].value)) < 0) {
            json_decref(all);
            return NULL;
        }
    }
    return all;
}

const char *wr_env_get(const struct wr_env *env, const char *name)
{
    char **slot = find(env, name);
    return slot ? *slot + strlen(name) + 1 : NULL;
}

int wr_env_build(struct wr_env *env, const struct wr_user *user, const json_t *sandbox_vars,
                 const json_t *request_vars, struct wr_error *err)
{
    const struct {
        const char *name, *value;
    } base[] = {{"PATH", WR_ENV_DEFAULT_PATH},
                {"HOME", user->home},
                {"USER", user->name},
                {"LOGNAME", user->name}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(base); i++) {
        int rc = wr_env_set(env, base[i].name, base[i].value, err);
        if (rc < 0)
            return rc;
    }
    int rc = wr_env_merge(env, sandbox_vars, "sandbox envs", err);
    return rc < 0 ? rc : wr_env_merge(env, request_vars, "envs", err);
}

void wr_env_done(struct wr_env *env)
{
    for (size_t i = 0; i < env->count; i++)
        free(env->vars[i]);
    free(env->vars);
    *env = (struct wr_env){0};
}
