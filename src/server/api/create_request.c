#include "server/api/create_request.h"

#include <errno.h>

#include "base/alloc.h"
#include "json/jread.h"
#include "server/api/network_config.h"
#include "server/main.h"
#include "server/settings.h"

#define TIMEOUT_V1_S 15
#define MAX_MCP      8192 /* bytes as compact JSON; kept in memory with its sandbox */

struct fields {
    const char *template_text;
    int64_t timeout_s;
    json_t *env, *metadata, *limits, *network, *auto_resume, *mcp, *iam, *volume_mounts;
    bool auto_pause, auto_pause_memory, resumes, secure, internet, has_internet;
};

int wr_timeout_check(int64_t timeout_s, bool zero_ok, uint32_t max_s, struct wr_error *err)
{
    if (timeout_s < 0 || (timeout_s == 0 && !zero_ok))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Timeout must be greater than 0");
    if (timeout_s <= (int64_t)max_s)
        return 0;
    if (max_s % 3600 == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Timeout cannot be greater than %u hours",
                       max_s / 3600);
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Timeout cannot be greater than %u seconds",
                   max_s);
}

static int check_env(const json_t *env, struct wr_error *err)
{
    size_t total = 0;
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)env, name, value) {
        if (!*name || strchr(name, '='))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "envVars: \"%.60s\" cannot be the name of a variable", name);
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "envVars: %.60s: not a string without NUL bytes", name);
        /* As the engine counts: with "=" and NUL. */
        total += strlen(name) + json_string_length(value) + 2;
    }
    if (total > WR_ACTION_MAX_ENV)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "envVars: more than %d bytes of names and values", WR_ACTION_MAX_ENV);
    return 0;
}

static int read_limits(const json_t *json, struct wr_sandbox_limits *limits, struct wr_error *err)
{
    const struct wr_json_field fields[] = {
        {.name = "cpuMillis",
         .kind = WR_JSON_U64,
         .ret = &limits->cpu_millis,
         .min = WR_CPU_MILLIS_MIN,
         .max = WR_CPU_MILLIS_MAX},
        {.name = "memoryBytes",
         .kind = WR_JSON_U64,
         .ret = &limits->memory_bytes,
         .min = (int64_t)WR_MEMORY_BYTES_MIN,
         .max = (int64_t)WR_MEMORY_BYTES_MAX},
        {.name = "diskBytes",
         .kind = WR_JSON_U64,
         .ret = &limits->disk_bytes,
         .min = (int64_t)WR_DISK_BYTES_MIN,
         .max = (int64_t)WR_DISK_BYTES_MAX},
        {.name = "pids",
         .kind = WR_JSON_U64,
         .ret = &limits->pids,
         .min = WR_PIDS_MIN,
         .max = WR_PIDS_MAX},
        {.name = "openFiles",
         .kind = WR_JSON_U64,
         .ret = &limits->open_files,
         .min = WR_OPEN_FILES_MIN,
         .max = WR_OPEN_FILES_MAX},
    };

    if (!json)
        return 0;
    int r = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    return r < 0 ? wr_wrap(err, "validation error: limits") : 0;
}

/* What E2B has and Warren has not, yet: a sandbox that silently did something else would be worse
 * than none. */
static int check_available(const struct fields *f, bool lenient, struct wr_error *err)
{
    json_t *tokens = NULL;
    const struct wr_json_field iam = {.name = "tokens", .kind = WR_JSON_OBJECT, .ret = &tokens};
    enum wr_json_unknown unknown = lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN;

    if (f->iam && wr_json_read(f->iam, &iam, 1, unknown, err) < 0)
        return wr_wrap(err, "validation error: iam");
    if (json_object_size(tokens) > 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "iam.tokens is not available yet");
    return 0;
}

/* What is to happen at the deadline, and on traffic while it is paused. */
static int check_lifecycle(struct fields *f, bool lenient, struct wr_error *err)
{
    const struct wr_json_field auto_resume = {
        .name = "enabled", .kind = WR_JSON_BOOL, .required = true, .ret = &f->resumes};
    enum wr_json_unknown unknown = lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN;

    if (f->auto_resume && wr_json_read(f->auto_resume, &auto_resume, 1, unknown, err) < 0)
        return wr_wrap(err, "validation error: autoResume");
    if (!f->auto_pause_memory && !f->auto_pause)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "autoPauseMemory: false needs autoPause: true");
    if (!f->auto_pause_memory && f->resumes)
        return wr_fail(
            err, WR_E_INVALID_ARGUMENT, 0,
            "autoPauseMemory: false excludes autoResume: traffic does not wake a sandbox "
            "without memory");
    return 0;
}

static int read_body(const json_t *body, const struct wr_create_rules *rules, struct fields *f,
                     struct wr_error *err)
{
    const struct wr_json_field fields[] = {
        {.name = "templateID",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &f->template_text,
         .max = 512},
        {.name = "timeout", .kind = WR_JSON_I64, .ret = &f->timeout_s},
        {.name = "autoPause", .kind = WR_JSON_BOOL, .ret = &f->auto_pause},
        {.name = "autoPauseMemory", .kind = WR_JSON_BOOL, .ret = &f->auto_pause_memory},
        {.name = "autoResume", .kind = WR_JSON_OBJECT, .ret = &f->auto_resume},
        {.name = "secure", .kind = WR_JSON_BOOL, .ret = &f->secure},
        {.name = "allow_internet_access",
         .kind = WR_JSON_BOOL,
         .ret = &f->internet,
         .ret_present = &f->has_internet},
        {.name = "network", .kind = WR_JSON_OBJECT, .ret = &f->network},
        {.name = "metadata", .kind = WR_JSON_OBJECT, .ret = &f->metadata},
        {.name = "envVars", .kind = WR_JSON_OBJECT, .ret = &f->env},
        {.name = "mcp", .kind = WR_JSON_OBJECT, .ret = &f->mcp},
        {.name = "iam", .kind = WR_JSON_OBJECT, .ret = &f->iam},
        {.name = "volumeMounts", .kind = WR_JSON_ARRAY, .ret = &f->volume_mounts},
        {.name = "limits", .kind = WR_JSON_OBJECT, .ret = &f->limits},
    };
    int r = wr_json_read(body, fields, WR_ARRAY_SIZE(fields),
                         rules->lenient ? WR_JSON_IGNORE_UNKNOWN : WR_JSON_REFUSE_UNKNOWN, err);

    if (r < 0)
        return wr_wrap(err, "validation error");
    f->secure = f->secure || rules->v2;
    return 0;
}

/* A new reference; NULL without memory. */
static json_t *make_settings(const struct fields *f, const json_t *network)
{
    wr_auto_json *out = json_pack("{s:{s:b, s:s}}", "lifecycle", "autoResume", f->resumes,
                                  "onTimeout", f->auto_pause ? "pause" : "kill");

    if (!out ||
        (!f->auto_pause_memory &&
         json_object_set_new(json_object_get(out, "lifecycle"), "keepMemory", json_false()) < 0) ||
        (json_object_size(f->metadata) > 0 && json_object_set(out, "metadata", f->metadata) < 0) ||
        (network && json_object_set(out, "network", (json_t *)(uintptr_t)network) < 0) ||
        (f->has_internet &&
         json_object_set_new(out, "allowInternetAccess", json_boolean(f->internet)) < 0) ||
        (f->mcp && json_object_set(out, "mcp", f->mcp) < 0))
        return NULL;
    return json_incref(out);
}

static int check_fields(struct fields *f, const struct wr_create_rules *rules, json_t **ret_network,
                        struct wr_create_request *request, struct wr_error *err)
{
    const struct wr_network_reading reading = {.use = WR_NETWORK_CREATE,
                                               .lenient = rules->lenient,
                                               .no_internet = f->has_internet && !f->internet};
    int r = wr_timeout_check(f->timeout_s, false, rules->timeout_max_s, err);

    if (r == 0)
        r = wr_template_ref_parse(f->template_text, &request->template_ref, err);
    if (r == 0)
        r = check_available(f, rules->lenient, err);
    if (r == 0)
        r = check_lifecycle(f, rules->lenient, err);
    if (r == 0)
        r = check_env(f->env, err);
    if (r == 0)
        r = wr_metadata_check(f->metadata, err);
    if (r == 0 && json_dumpb(f->mcp, NULL, 0, JSON_COMPACT) > MAX_MCP)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "mcp: more than %d bytes", MAX_MCP);
    if (r == 0)
        r = read_limits(f->limits, &request->spec.limits, err);
    if (r == 0 && f->network)
        r = wr_network_config_read(f->network, &reading, ret_network, err);
    if (r == 0 && !f->secure && !wr_network_config_is_public(*ret_network))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "You cannot create a sandbox without public access unless you enable secure "
                    "envd access via 'secure' flag.");
    return r;
}

int wr_create_request_parse(const char *text, size_t len, const struct wr_create_rules *rules,
                            struct wr_create_request *ret, struct wr_error *err)
{
    wr_auto_json *body = NULL, *network = NULL;
    struct wr_create_request request = {0};
    struct fields f = {.timeout_s = rules->v2 ? WR_TIMEOUT_DEFAULT_S : TIMEOUT_V1_S,
                       .auto_pause_memory = true};

    int r = wr_json_parse(text, len, &body, err);
    if (r < 0)
        return wr_wrap(err, "validation error");
    r = read_body(body, rules, &f, err);
    if (r == 0)
        r = check_fields(&f, rules, &network, &request, err);
    if (r < 0)
        return r;
    request.settings = make_settings(&f, network);
    if (!request.settings)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "settings of a sandbox");
    request.template_text = f.template_text;
    request.volume_mounts = f.volume_mounts;
    request.spec.timeout_ms = (uint64_t)f.timeout_s * 1000;
    request.spec.secure = f.secure;
    request.spec.private_traffic = !wr_network_config_is_public(network);
    request.spec.env_vars = f.env;
    request.spec.settings = request.settings;
    request.body = wr_steal_ptr(&body);
    *ret = request;
    return 0;
}

void wr_create_request_done(struct wr_create_request *request)
{
    json_decref(request->settings);
    json_decref(request->env);
    json_decref(request->body);
    *request = (struct wr_create_request){0};
}
