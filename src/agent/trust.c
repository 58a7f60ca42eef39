#include "agent/trust.h"

#include <string.h>

#include "agent/reply.h"
#include "base/alloc.h"
#include "base/str.h"
#include "json/jread.h"

#define BODY_MAX ((size_t)64 * 1024)
#define PEM_MAX  16384

/* Programs that do not read the system's list look here. */
static const struct variable {
    const char *name, *value;
    bool whole; /* names a whole list, which takes the place of the program's own */
} variables[] = {
    {"NODE_EXTRA_CA_CERTS", WR_TRUST_CERT, false}, {"SSL_CERT_FILE", WR_TRUST_BUNDLE, true},
    {"REQUESTS_CA_BUNDLE", WR_TRUST_BUNDLE, true}, {"CURL_CA_BUNDLE", WR_TRUST_BUNDLE, true},
    {"PIP_CERT", WR_TRUST_BUNDLE, true},           {"GIT_SSL_CAINFO", WR_TRUST_BUNDLE, true},
    {"AWS_CA_BUNDLE", WR_TRUST_BUNDLE, true},      {"DENO_CERT", WR_TRUST_CERT, false},
    {"CARGO_HTTP_CAINFO", WR_TRUST_BUNDLE, true},
};

/* What the user has set stays. A list that holds this one certificate only must not replace
 * another one. */
static int set_variables(json_t *env, bool had_bundle, struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(variables); i++) {
        const struct variable *variable = &variables[i];
        if (json_object_get(env, variable->name) || (variable->whole && !had_bundle))
            continue;
        if (json_object_set_new(env, variable->name, json_string(variable->value)) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the environment");
    }
    return 0;
}

static void unset_variables(json_t *env)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(variables); i++) {
        const char *value = json_string_value(json_object_get(env, variables[i].name));
        if (value && wr_streq(value, variables[i].value))
            (void)json_object_del(env, variables[i].name);
    }
}

static int drop(struct wr_agent *agent, struct wr_error *err)
{
    struct wr_trust_certificate *cert = &agent->trust;

    if (!cert->pem)
        return 0;
    unset_variables(agent->env);
    int r = wr_trust_store_remove(cert, err);
    free(cert->pem);
    *cert = (struct wr_trust_certificate){0};
    return r;
}

static int check(const char *pem, const char *hash, struct wr_error *err)
{
    if (!wr_starts_with(pem, "-----BEGIN CERTIFICATE-----\n") ||
        !wr_ends_with(pem, "\n-----END CERTIFICATE-----\n"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "certificate: not one in PEM");
    if (!wr_str_only(hash, "0123456789abcdef", WR_TRUST_HASH_LEN, WR_TRUST_HASH_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "hash: not %d hex characters",
                       WR_TRUST_HASH_LEN);
    return 0;
}

static int add(struct wr_agent *agent, const char *pem, const char *hash, struct wr_error *err)
{
    bool had_bundle = false;

    int r = check(pem, hash, err);
    if (r == 0 && agent->trust.pem && !wr_streq(agent->trust.pem, pem))
        r = drop(agent, err);
    if (r < 0)
        return r;
    if (!agent->trust.pem)
        agent->trust.pem = wr_strdup(pem);
    if (!agent->trust.pem || !wr_strcopy(agent->trust.hash, sizeof agent->trust.hash, hash))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the certificate");
    r = wr_trust_store_add(&agent->trust, &had_bundle, err);
    return r < 0 ? r : set_variables(agent->env, had_bundle, err);
}

static void reply(struct wr_exchange *ex, int r, const struct wr_error *err)
{
    if (r < 0) {
        wr_reply_error(ex, wr_code_http_status((enum wr_code)err->code), "%s", err->msg);
        return;
    }
    wr_exchange_begin(ex, 204);
    wr_exchange_header(ex, "Cache-Control", "no-store");
    wr_exchange_send(ex, NULL, 0);
}

static void on_body(struct wr_exchange *ex, const char *body, size_t len, void *data)
{
    wr_auto_json *json = NULL;
    const char *pem = "", *hash = "";
    struct wr_error err = {0};
    const struct wr_json_field fields[] = {
        {.name = "certificate",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &pem,
         .max = PEM_MAX},
        {.name = "hash", .kind = WR_JSON_STRING, .required = true, .ret = &hash, .max = 64},
    };

    int r = wr_json_parse(body, len, &json, &err);
    if (r == 0)
        r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, &err);
    if (r == 0)
        r = add(data, pem, hash, &err);
    reply(ex, r, &err);
}

void wr_trust_put(struct wr_agent *agent, struct wr_exchange *ex)
{
    wr_exchange_collect(ex, BODY_MAX, on_body, NULL, agent);
}

void wr_trust_delete(struct wr_agent *agent, struct wr_exchange *ex)
{
    struct wr_error err = {0};
    int r = drop(agent, &err);

    reply(ex, r, &err);
}
