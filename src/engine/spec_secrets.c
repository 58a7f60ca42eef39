#include "engine/spec_secrets.h"

#include <errno.h>

static int check_env(const json_t *env, struct wr_error *err)
{
    const char *name;
    json_t *value;
    size_t total = 0;

    json_object_foreach((json_t *)(uintptr_t)env, name,
                        value) /* jansson's iterator wants a mutable object */
    {
        if (!*name || strchr(name, '='))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "environment variable \"%.40s\": a name is not empty and has no \"=\"",
                           name);
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "environment variable %.40s must be a string without NUL", name);
        total += strlen(name) + json_string_length(value) + 2;
    }
    if (total > WR_ACTION_MAX_ENV)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the environment has %zu bytes; %d is the limit", total, WR_ACTION_MAX_ENV);
    return 0;
}

static int check_token(const char *name, const char *token, struct wr_error *err)
{
    if (!token || wr_str_only(token, "0123456789abcdef", WR_ACTION_TOKEN_LEN, WR_ACTION_TOKEN_LEN))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: a token has %d hex characters", name,
                   WR_ACTION_TOKEN_LEN);
}

int wr_spec_secrets_check(const struct wr_spec_secrets *secrets, struct wr_error *err)
{
    int rc = secrets->env ? check_env(secrets->env, err) : 0;

    if (rc == 0)
        rc = check_token("accessToken", secrets->access_token, err);
    if (rc == 0)
        rc = check_token("controlToken", secrets->control_token, err);
    return rc;
}

int wr_spec_secrets_adopt(const struct wr_spec_secrets *secrets, struct wr_spec *spec,
                          struct wr_error *err)
{
    int rc = wr_spec_secrets_check(secrets, err);

    if (rc < 0)
        return rc;
    json_t *env = secrets->env ? json_incref(secrets->env) : json_object();
    if (!env)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "read a sandbox's specification");
    wr_spec_secrets_forget(spec);
    spec->env = env;
    if (secrets->access_token)
        memcpy(spec->access_token, secrets->access_token, WR_ACTION_TOKEN_LEN);
    if (secrets->control_token)
        memcpy(spec->control_token, secrets->control_token, WR_ACTION_TOKEN_LEN);
    return 0;
}

void wr_spec_secrets_forget(struct wr_spec *spec)
{
    json_decref(spec->env);
    spec->env = NULL;
    explicit_bzero(spec->access_token, sizeof(spec->access_token));
    explicit_bzero(spec->control_token, sizeof(spec->control_token));
}
