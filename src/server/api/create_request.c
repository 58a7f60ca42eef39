#include "server/api/create_request.h"

#include "base/alloc.h"
#include "json/jread.h"
#include "server/owner.h"

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
        total += strlen(name) + json_string_length(value);
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
    return r < 0 ? wr_wrap(err, "limits") : 0;
}

int wr_create_request_parse(const char *text, size_t len, struct wr_create_request *ret,
                            struct wr_error *err)
{
    wr_auto_json *body = NULL;
    struct wr_create_spec spec = {0};
    json_t *env = NULL, *metadata = NULL, *limits = NULL;
    uint64_t timeout_s = WR_TIMEOUT_DEFAULT_S;
    const struct wr_json_field fields[] = {
        {.name = "templateID",
         .kind = WR_JSON_STRING,
         .required = true,
         .ret = &spec.template_name,
         .max = WR_TEMPLATE_NAME_LEN},
        {.name = "timeout",
         .kind = WR_JSON_U64,
         .ret = &timeout_s,
         .min = 1,
         .max = WR_TIMEOUT_MAX_S},
        {.name = "envVars", .kind = WR_JSON_OBJECT, .ret = &env},
        {.name = "metadata", .kind = WR_JSON_OBJECT, .ret = &metadata},
        {.name = "limits", .kind = WR_JSON_OBJECT, .ret = &limits},
    };

    int r = wr_json_parse(text, len, &body, err);
    if (r == 0)
        r = wr_json_read(body, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (r == 0 && !wr_template_name_valid(spec.template_name))
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "templateID: not a template name (letters, digits, '.', '_', '-')");
    if (r == 0)
        r = check_env(env, err);
    if (r == 0)
        r = wr_metadata_check(metadata, err);
    if (r == 0)
        r = read_limits(limits, &spec.limits, err);
    if (r < 0)
        return r;
    spec.timeout_ms = timeout_s * 1000;
    spec.env_vars = env;
    spec.metadata = metadata;
    ret->body = wr_steal_ptr(&body);
    ret->spec = spec;
    return 0;
}

void wr_create_request_done(struct wr_create_request *request)
{
    json_decref(request->body);
    request->body = NULL;
}
