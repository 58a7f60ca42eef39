#include "engine/spec.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "engine/action.h"
#include "engine/spec_shares.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "nest/protocol.h"
#include "template/store.h"

void wr_spec_done(struct wr_spec *spec)
{
    if (!spec)
        return;
    json_decref(spec->env);
    explicit_bzero(spec->access_token, sizeof(spec->access_token));
    *spec = (struct wr_spec){0};
}

/* What CREATE and the record on disk have in common. */
struct raw {
    const char *id, *template_name, *access_token;
    json_t *env, *volumes;
};

#define LIMIT_FIELDS(spec)                                                          \
    {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &(spec)->cpu_millis},         \
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &(spec)->memory_bytes}, \
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &(spec)->disk_bytes},     \
        {.name = "pids", .kind = WR_JSON_U64, .ret = &(spec)->pids},                \
    {                                                                               \
        .name = "openFiles", .kind = WR_JSON_U64, .ret = &(spec)->open_files        \
    }

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

static int adopt_token(const char *token, struct wr_spec *spec, struct wr_error *err)
{
    if (!wr_str_only(token, "0123456789abcdef", WR_ACTION_TOKEN_LEN, WR_ACTION_TOKEN_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "an access token has %d hex characters",
                       WR_ACTION_TOKEN_LEN);
    memcpy(spec->access_token, token, WR_ACTION_TOKEN_LEN);
    return 0;
}

static int adopt(const struct raw *raw, struct wr_spec *spec, struct wr_error *err)
{
    if (raw->id && !wr_id_valid(raw->id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "\"%.40s\" is not a sandbox id ([a-z0-9]{%d})", raw->id, WR_ID_LEN);
    if (!wr_template_name_valid(raw->template_name) ||
        !wr_strcopy(spec->template_name, sizeof(spec->template_name), raw->template_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.40s\" is not a template name",
                       raw->template_name);
    if (raw->id)
        memcpy(spec->id, raw->id, sizeof(spec->id));
    int rc = raw->env ? check_env(raw->env, err) : 0;
    if (rc == 0 && raw->access_token)
        rc = adopt_token(raw->access_token, spec, err);
    if (rc == 0 && raw->volumes)
        rc = wr_spec_shares_read(raw->volumes, spec, err);
    if (rc < 0)
        return rc;
    spec->env = raw->env ? json_incref(raw->env) : json_object();
    if (!spec->env)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "read a sandbox's specification");
    return 0;
}

static int finish(int rc, struct wr_spec *spec, struct wr_spec *ret)
{
    if (rc < 0)
        wr_spec_done(spec);
    else
        *ret = *spec;
    return rc;
}

int wr_spec_read(const json_t *payload, struct wr_spec *ret, struct wr_error *err)
{
    struct wr_spec spec = {0};
    struct raw raw = {0};
    const struct wr_json_field fields[] = {
        {.name = "id", .kind = WR_JSON_STRING, .ret = &raw.id},
        {.name = "template", .kind = WR_JSON_STRING, .required = true, .ret = &raw.template_name},
        LIMIT_FIELDS(&spec),
        {.name = "envVars", .kind = WR_JSON_OBJECT, .ret = &raw.env},
        {.name = "accessToken", .kind = WR_JSON_STRING, .ret = &raw.access_token},
        {.name = "volumes", .kind = WR_JSON_ARRAY, .ret = &raw.volumes},
        {.name = "content", .kind = WR_JSON_BOOL, .ret = &spec.content},
        {.name = "blank", .kind = WR_JSON_BOOL, .ret = &spec.blank},
        {.name = "egress", .kind = WR_JSON_BOOL, .ret = &spec.egress},
        {.name = "sockets",
         .kind = WR_JSON_U64,
         .ret = &spec.sockets,
         .max = WR_ACTION_MAX_SOCKETS},
    };
    int rc = wr_json_read(payload, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);

    /* Whoever reaches its agent first would be its user. */
    if (rc == 0 && spec.blank && !raw.access_token)
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a blank sandbox needs an accessToken");
    if (rc == 0 && spec.blank && (raw.volumes || spec.content))
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                     "a blank sandbox has no volumes: they are mounted when it is made");
    if (rc == 0)
        rc = adopt(&raw, &spec, err);
    if (rc == 0 && spec.content)
        rc = wr_spec_content_check(&spec, err);
    return finish(rc, &spec, ret);
}

int wr_spec_read_record(const json_t *record, struct wr_spec *ret, struct wr_error *err)
{
    struct wr_spec spec = {0};
    struct raw raw = {0};
    uint64_t format = 0;
    const struct wr_json_field fields[] = {
        {.name = "format",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &format,
         .min = WR_SPEC_FORMAT,
         .max = WR_SPEC_FORMAT},
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &raw.id},
        {.name = "template", .kind = WR_JSON_STRING, .required = true, .ret = &raw.template_name},
        LIMIT_FIELDS(&spec),
        {.name = "volumes", .kind = WR_JSON_ARRAY, .ret = &raw.volumes},
        {.name = "blank", .kind = WR_JSON_BOOL, .ret = &spec.blank},
        {.name = "createdMs", .kind = WR_JSON_U64, .required = true, .ret = &spec.created_ms},
        {.name = "slot",
         .kind = WR_JSON_U64,
         .required = true,
         .ret = &spec.slot,
         .min = 0,
         .max = WR_SLOT_COUNT - 1},
    };
    int rc = wr_json_read(record, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);

    if (rc == 0)
        rc = adopt(&raw, &spec, err);
    return finish(rc, &spec, ret);
}

int wr_spec_complete(struct wr_spec *spec, const struct wr_template *t, struct wr_error *err)
{
    const struct {
        const char *name;
        uint64_t *value;
        uint64_t of_template, built_in, min, max;
    } rows[] = {
        {"cpuMillis", &spec->cpu_millis, t->cpu_millis, WR_CPU_MILLIS_DEFAULT, WR_CPU_MILLIS_MIN,
         WR_CPU_MILLIS_MAX},
        {"memoryBytes", &spec->memory_bytes, t->memory_bytes, WR_MEMORY_BYTES_DEFAULT,
         WR_MEMORY_BYTES_MIN, WR_MEMORY_BYTES_MAX},
        {"diskBytes", &spec->disk_bytes, t->disk_bytes, WR_DISK_BYTES_DEFAULT, WR_DISK_BYTES_MIN,
         WR_DISK_BYTES_MAX},
        {"pids", &spec->pids, 0, WR_PIDS_DEFAULT, WR_PIDS_MIN, WR_PIDS_MAX},
        {"openFiles", &spec->open_files, 0, WR_OPEN_FILES_DEFAULT, WR_OPEN_FILES_MIN,
         WR_OPEN_FILES_MAX},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        if (*rows[i].value == 0)
            *rows[i].value = rows[i].of_template ? rows[i].of_template : rows[i].built_in;
        if (*rows[i].value < rows[i].min || *rows[i].value > rows[i].max)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%s is %llu; between %llu and %llu is possible", rows[i].name,
                           (unsigned long long)*rows[i].value, (unsigned long long)rows[i].min,
                           (unsigned long long)rows[i].max);
    }
    return 0;
}

int wr_spec_set_limits(struct wr_spec *spec, const struct wr_spec_limits *limits,
                       struct wr_error *err)
{
    const struct wr_template none = {.layer_count = 0};
    struct wr_spec wanted = *spec;
    const struct {
        uint64_t *value, wanted;
    } rows[] = {
        {&wanted.cpu_millis, limits->cpu_millis},
        {&wanted.memory_bytes, limits->memory_bytes},
        {&wanted.disk_bytes, limits->disk_bytes},
        {&wanted.pids, limits->pids},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++)
        if (rows[i].wanted)
            *rows[i].value = rows[i].wanted;
    int rc = wr_spec_complete(&wanted, &none, err);
    if (rc == 0)
        *spec = wanted;
    return rc;
}

void wr_spec_write_public(const struct wr_spec *spec, struct wr_jw *w)
{
    wr_jw_kstr(w, "id", spec->id);
    wr_jw_kstr(w, "template", spec->template_name);
    wr_jw_ku64(w, "cpuMillis", spec->cpu_millis);
    wr_jw_ku64(w, "memoryBytes", spec->memory_bytes);
    wr_jw_ku64(w, "diskBytes", spec->disk_bytes);
    wr_jw_ku64(w, "pids", spec->pids);
    wr_jw_ku64(w, "openFiles", spec->open_files);
    wr_jw_ku64(w, "createdMs", spec->created_ms);
}

int wr_spec_write_record(const struct wr_spec *spec, struct wr_buf *out)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "format", WR_SPEC_FORMAT);
    wr_spec_write_public(spec, &w);
    wr_jw_ku64(&w, "slot", spec->slot);
    wr_spec_shares_write(spec, &w);
    if (spec->blank)
        wr_jw_kbool(&w, "blank", true);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}
