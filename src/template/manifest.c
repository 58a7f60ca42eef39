#include "template/manifest.h"

#include "base/alloc.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "template/definition.h"
#include "template/layer.h"

#define NAME_SET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define USER_SET "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define ENV_MAX  256

/* The fields as they stand in the text. */
struct raw {
    uint64_t format;
    const char *name, *user, *workdir;
    json_t *layers, *aliases, *env;
    uint64_t size_bytes, created_ms, cpu_millis, memory_bytes, disk_bytes;
};

static int read_layers(const json_t *layers, struct wr_template *t, struct wr_error *err)
{
    size_t count = json_array_size(layers);
    if (count == 0 || count > WR_TEMPLATE_MAX_LAYERS)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "field \"layers\" must hold 1 to %d layers",
                       WR_TEMPLATE_MAX_LAYERS);
    for (size_t i = 0; i < count; i++) {
        const char *hash = json_string_value(json_array_get(layers, i));
        if (!hash || !wr_layer_hash_valid(hash) ||
            !wr_strcopy(t->layers[i], sizeof(t->layers[i]), hash))
            return wr_fail(err, WR_E_DATA_LOSS, 0,
                           "layer %zu is not named by 64 lower-case hex digits", i);
    }
    t->layer_count = count;
    return 0;
}

void wr_template_manifest_default_aliases(struct wr_template *t)
{
    const struct wr_definition *d = wr_definition_find(t->name);
    t->alias_count = 0;
    for (const char *const *p = d && d->aliases ? d->aliases : NULL;
         p && *p && t->alias_count < WR_TEMPLATE_MAX_ALIASES; p++)
        if (wr_strcopy(t->aliases[t->alias_count], sizeof(t->aliases[0]), *p))
            t->alias_count++;
}

/* Needs the name. */
static int read_aliases(const json_t *aliases, struct wr_template *t, struct wr_error *err)
{
    for (size_t i = 0; i < json_array_size(aliases); i++) {
        const char *alias = json_string_value(json_array_get(aliases, i));
        if (!alias || !wr_template_name_valid(alias) ||
            !wr_strcopy(t->aliases[t->alias_count], sizeof(t->aliases[0]), alias))
            return wr_fail(err, WR_E_DATA_LOSS, 0, "alias %zu is no name of a template", i);
        for (size_t k = 0; k < t->alias_count; k++)
            if (wr_streq(t->aliases[k], alias))
                return wr_fail(err, WR_E_DATA_LOSS, 0, "alias \"%s\" is there twice", alias);
        if (wr_streq(t->name, alias))
            return wr_fail(err, WR_E_DATA_LOSS, 0, "alias \"%s\" is the template's own name",
                           alias);
        t->alias_count++;
    }
    return 0;
}

static int check_env(json_t *env, struct wr_error *err)
{
    const char *name;
    json_t *value;
    if (json_object_size(env) > ENV_MAX)
        return wr_fail(err, WR_E_DATA_LOSS, 0, "field \"env\" holds more than %d variables",
                       ENV_MAX);
    json_object_foreach(env, name, value) {
        bool digit = name[0] >= '0' && name[0] <= '9';
        if (digit || !wr_str_only(name, NAME_SET, 1, 256))
            return wr_fail(err, WR_E_DATA_LOSS, 0,
                           "\"%.64s\" is no name of an environment variable", name);
        if (!json_is_string(value) || strlen(json_string_value(value)) != json_string_length(value))
            return wr_fail(err, WR_E_DATA_LOSS, 0, "environment variable %.64s must be a string",
                           name);
    }
    return 0;
}

static int fill(const struct raw *raw, const char *name, struct wr_template *t,
                struct wr_error *err)
{
    if (!wr_streq(raw->name, name))
        return wr_fail(err, WR_E_DATA_LOSS, 0, "field \"name\" is \"%.64s\"", raw->name);
    if (!wr_str_only(raw->user, USER_SET, 1, sizeof(t->user) - 1))
        return wr_fail(err, WR_E_DATA_LOSS, 0, "field \"user\" is no name of a user");
    if (raw->workdir[0] && raw->workdir[0] != '/')
        return wr_fail(err, WR_E_DATA_LOSS, 0,
                       "field \"workdir\" must be an absolute path or empty");
    if (!wr_strcopy(t->name, sizeof(t->name), raw->name) ||
        !wr_strcopy(t->user, sizeof(t->user), raw->user) ||
        !wr_strcopy(t->workdir, sizeof(t->workdir), raw->workdir))
        return wr_fail(err, WR_E_DATA_LOSS, 0, "a name or path is too long");
    int rc = read_layers(raw->layers, t, err);
    if (rc == 0 && raw->aliases)
        rc = read_aliases(raw->aliases, t, err);
    else
        wr_template_manifest_default_aliases(t);
    if (rc == 0)
        rc = check_env(raw->env, err);
    if (rc < 0)
        return rc;
    /* jansson allocates with malloc, so that free() fits. */
    t->env_json = json_dumps(raw->env, JSON_COMPACT | JSON_SORT_KEYS);
    if (!t->env_json)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "not enough memory for the environment");
    t->size_bytes = raw->size_bytes;
    t->created_ms = raw->created_ms;
    t->cpu_millis = raw->cpu_millis;
    t->memory_bytes = raw->memory_bytes;
    t->disk_bytes = raw->disk_bytes;
    return 0;
}

int wr_template_manifest_read(const char *text, size_t len, const char *name,
                              struct wr_template *ret, struct wr_error *err)
{
    struct raw raw = {0};
    const struct wr_json_field fields[] = {
        {"format", WR_JSON_U64, true, NULL, &raw.format, 0, 0},
        {"name", WR_JSON_STRING, true, NULL, &raw.name, 0, 63},
        {"layers", WR_JSON_ARRAY, true, NULL, &raw.layers, 0, WR_TEMPLATE_MAX_LAYERS},
        {"aliases", WR_JSON_ARRAY, false, NULL, &raw.aliases, 0, WR_TEMPLATE_MAX_ALIASES},
        {"user", WR_JSON_STRING, true, NULL, &raw.user, 0, 32},
        {"workdir", WR_JSON_STRING, true, NULL, &raw.workdir, 0, 255},
        {"env", WR_JSON_OBJECT, true, NULL, &raw.env, 0, 0},
        {"sizeBytes", WR_JSON_U64, true, NULL, &raw.size_bytes, 0, 0},
        {"createdMs", WR_JSON_U64, true, NULL, &raw.created_ms, 0, 0},
        {"cpuMillis", WR_JSON_U64, false, NULL, &raw.cpu_millis, 0, 0},
        {"memoryBytes", WR_JSON_U64, false, NULL, &raw.memory_bytes, 0, 0},
        {"diskBytes", WR_JSON_U64, false, NULL, &raw.disk_bytes, 0, 0},
    };
    wr_auto_json *json = NULL;
    wr_auto_template t = {0};
    int rc = wr_json_parse(text, len, &json, err);
    if (rc == 0)
        rc = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc == 0 && raw.format != WR_TEMPLATE_FORMAT)
        rc = wr_fail(err, WR_E_DATA_LOSS, 0, "format %llu is not the %d that this version reads",
                     (unsigned long long)raw.format, WR_TEMPLATE_FORMAT);
    if (rc == 0)
        rc = fill(&raw, name, &t, err);
    if (rc < 0) {
        if (err->code == WR_E_INVALID_ARGUMENT)
            err->code = WR_E_DATA_LOSS;
        return wr_wrap(err, "templates/%s.json", name);
    }
    *ret = t;
    t = (struct wr_template){0};
    return 0;
}

/* The environment is JSON text already; the writer has no way to embed text, so it is written value
 * by value. */
static int write_env(struct wr_jw *w, const char *env_json, struct wr_error *err)
{
    wr_auto_json *env = NULL;
    int rc = wr_json_parse(env_json, strlen(env_json), &env, err);
    if (rc == 0)
        rc = check_env(env, err);
    if (rc < 0)
        return rc;
    const char *name;
    json_t *value;
    wr_jw_key(w, "env");
    wr_jw_object(w);
    json_object_foreach(env, name, value)
        wr_jw_kstr(w, name, json_string_value(value));
    wr_jw_end(w);
    return 0;
}

int wr_template_manifest_write(const struct wr_template *t, struct wr_buf *out,
                               struct wr_error *err)
{
    struct wr_jw w;
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "format", WR_TEMPLATE_FORMAT);
    wr_jw_kstr(&w, "name", t->name);
    wr_jw_key(&w, "layers");
    wr_jw_array(&w);
    for (size_t i = 0; i < t->layer_count; i++)
        wr_jw_str(&w, t->layers[i]);
    wr_jw_end(&w);
    wr_jw_key(&w, "aliases");
    wr_jw_array(&w);
    for (size_t i = 0; i < t->alias_count; i++)
        wr_jw_str(&w, t->aliases[i]);
    wr_jw_end(&w);
    wr_jw_kstr(&w, "user", t->user);
    wr_jw_kstr(&w, "workdir", t->workdir);
    int rc = write_env(&w, t->env_json, err);
    if (rc < 0)
        return rc;
    wr_jw_ku64(&w, "sizeBytes", t->size_bytes);
    wr_jw_ku64(&w, "createdMs", t->created_ms);
    wr_jw_ku64(&w, "cpuMillis", t->cpu_millis);
    wr_jw_ku64(&w, "memoryBytes", t->memory_bytes);
    wr_jw_ku64(&w, "diskBytes", t->disk_bytes);
    wr_jw_end(&w);
    rc = wr_jw_finish(&w);
    if (rc < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "cannot write the manifest of %s",
                       t->name);
    /* What is written has to be readable. */
    wr_auto_template check = {0};
    return wr_template_manifest_read(wr_buf_ptr(out), out->len, t->name, &check, err);
}
