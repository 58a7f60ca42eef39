#include "cli/sdk_env.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"

#define SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:@%+,"

static int add(struct wr_sdk_env *env, const char *name, const char *value, struct wr_error *err)
{
    char *copy = wr_strdup(value);

    if (!copy || env->count == WR_SDK_ENV_MAX) {
        free(copy);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "variable %s", name);
    }
    env->vars[env->count].name = name;
    env->vars[env->count++].value = copy;
    return 0;
}

/* Python's list of authorities is replaced as a whole, so it gets the file that dev-cert makes of
 * the system's and ours; Node adds to its own. */
static int add_authority(struct wr_sdk_env *env, const char *ca_file, struct wr_error *err)
{
    const char *slash = strrchr(ca_file, '/');
    wr_auto_free char *bundle =
        wr_asprintf("%.*sbundle.pem", slash ? (int)(slash - ca_file + 1) : 0, ca_file);

    if (!bundle)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "variable SSL_CERT_FILE");
    int r = add(env, "NODE_EXTRA_CA_CERTS", ca_file, err);
    return r < 0 ? r : add(env, "SSL_CERT_FILE", access(bundle, R_OK) == 0 ? bundle : ca_file, err);
}

int wr_sdk_env_make(const char *key, const struct wr_sdk_target *target, struct wr_sdk_env *ret,
                    struct wr_error *err)
{
    bool by_domain = target->domain && target->tls;
    int r = add(ret, "E2B_API_KEY", key, err);

    if (r == 0 && by_domain)
        r = add(ret, "E2B_DOMAIN", target->domain, err);
    if (r == 0 && !by_domain && target->api_url)
        r = add(ret, "E2B_API_URL", target->api_url, err);
    if (r == 0 && !by_domain && target->sandbox_url)
        r = add(ret, "E2B_SANDBOX_URL", target->sandbox_url, err);
    if (r == 0 && !by_domain && target->api_url)
        r = add(ret, "E2B_VOLUME_API_URL", target->api_url, err);
    if (r == 0 && target->ca_file)
        r = add_authority(ret, target->ca_file, err);
    return r;
}

void wr_sdk_env_print(FILE *out, const struct wr_sdk_env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        const char *value = env->vars[i].value;
        fprintf(out, "export %s=", env->vars[i].name);
        if (wr_str_only(value, SAFE, 1, SIZE_MAX)) {
            fprintf(out, "%s\n", value);
            continue;
        }
        fputc('\'', out);
        for (const char *p = value; *p; p++)
            fputs(*p == '\'' ? "'\\''" : (char[]){*p, '\0'}, out);
        fputs("'\n", out);
    }
}

void wr_sdk_env_done(struct wr_sdk_env *env)
{
    for (size_t i = 0; i < env->count; i++) {
        explicit_bzero(env->vars[i].value, strlen(env->vars[i].value));
        free(env->vars[i].value);
    }
    env->count = 0;
}
