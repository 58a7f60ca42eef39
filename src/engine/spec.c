#include "engine/spec.h"

#include "base/buf.h"
#include "engine/action.h"
#include "engine/spec_secrets.h"
#include "engine/spec_shares.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "nest/protocol.h"
#include "template/store.h"

void wr_spec_done(struct wr_spec *spec)
{
    if (!spec)
        return;
    wr_spec_secrets_forget(spec);
    *spec = (struct wr_spec){0};
}

void wr_spec_copy(const struct wr_spec *spec, struct wr_spec *ret)
{
    *ret = *spec;
    json_incref(ret->env);
}

static const char *const level_names[] = {
    [WR_LEVEL_RUNNING] = "running",
    [WR_LEVEL_FROZEN] = "frozen",
    [WR_LEVEL_PAGED] = "paged",
    [WR_LEVEL_HIBERNATED] = "hibernated",
};

const char *wr_level_name(enum wr_level level)
{
    return level_names[level];
}

int wr_level_read(const char *name, enum wr_level *ret, struct wr_error *err)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(level_names); i++) {
        if (wr_streq(name, level_names[i])) {
            *ret = (enum wr_level)i;
            return 0;
        }
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.40s\" is no level", name);
}

/* What CREATE and the record on disk have in common. */
struct raw {
    const char *id, *template_name, *snapshot, *level, *pause_reason;
    struct wr_spec_secrets secrets;
    json_t *volumes;
};

#define LIMIT_FIELDS(spec)                                                          \
    {.name = "cpuMillis", .kind = WR_JSON_U64, .ret = &(spec)->cpu_millis},         \
        {.name = "memoryBytes", .kind = WR_JSON_U64, .ret = &(spec)->memory_bytes}, \
        {.name = "diskBytes", .kind = WR_JSON_U64, .ret = &(spec)->disk_bytes},     \
        {.name = "pids", .kind = WR_JSON_U64, .ret = &(spec)->pids},                \
    {                                                                               \
        .name = "openFiles", .kind = WR_JSON_U64, .ret = &(spec)->open_files        \
    }

static int adopt_id(const char *id, char ret[static WR_ID_LEN + 1], struct wr_error *err)
{
    if (!id)
        return 0;
    if (!wr_id_valid(id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.40s\" is not an id ([a-z0-9]{%d})", id,
                       WR_ID_LEN);
    memcpy(ret, id, WR_ID_LEN + 1);
    return 0;
}

static int adopt_template(const char *name, struct wr_spec *spec, struct wr_error *err)
{
    if (!name || (wr_template_name_valid(name) &&
                  wr_strcopy(spec->template_name, sizeof(spec->template_name), name)))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "\"%.40s\" is not a template name", name);
}

static int adopt(const struct raw *raw, struct wr_spec *spec, struct wr_error *err)
{
    int rc = adopt_id(raw->id, spec->id, err);

    if (rc == 0)
        rc = adopt_template(raw->template_name, spec, err);
    if (rc == 0)
        rc = adopt_id(raw->snapshot, spec->snapshot, err);
    if (rc == 0 && raw->level)
        rc = wr_level_read(raw->level, &spec->level, err);
    if (rc == 0 && raw->pause_reason &&
        !wr_strcopy(spec->pause_reason, sizeof(spec->pause_reason), raw->pause_reason))
        rc = wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "pauseReason is longer than %d bytes",
                     WR_SPEC_MAX_REASON);
    if (rc == 0 && raw->volumes)
        rc = wr_spec_shares_read(raw->volumes, spec, err);
    if (rc == 0)
        rc = wr_spec_secrets_adopt(&raw->secrets, spec, err);
    return rc;
}

static int finish(int rc, struct wr_spec *spec, struct wr_spec *ret)
{
    if (rc < 0)
        wr_spec_done(spec);
    else
        *ret = *spec;
    return rc;
}

/* What cannot be asked for together. */
static int check_create(const struct raw *raw, const struct wr_spec *spec, struct wr_error *err)
{
    if (!raw->template_name == !raw->snapshot)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "either a template or a snapshot is needed to make a sandbox from");
    /* They are parts of what was saved. */
    if (raw->snapshot && (raw->volumes || spec->content || spec->blank))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a sandbox from a snapshot has the volumes that the snapshot names, and is "
                       "no blank");
    /* Whoever reaches its agent first would be its user. */
    if (spec->blank && (!raw->secrets.access_token || !raw->secrets.control_token))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a blank sandbox needs an accessToken and a controlToken");
    if (spec->blank && (raw->volumes || spec->content))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a blank sandbox has no volumes: they are mounted when it is made");
    return 0;
}

int wr_spec_read(const json_t *payload, struct wr_spec *ret, struct wr_error *err)
{
    struct wr_spec spec = {0};
    struct raw raw = {0};
    const struct wr_json_field fields[] = {
        {.name = "id", .kind = WR_JSON_STRING, .ret = &raw.id},
        {.name = "template", .kind = WR_JSON_STRING, .ret = &raw.template_name},
        {.name = "snapshot", .kind = WR_JSON_STRING, .ret = &raw.snapshot},
        LIMIT_FIELDS(&spec),
        WR_SPEC_SECRET_FIELDS(&raw.secrets),
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

    if (rc == 0)
        rc = check_create(&raw, &spec, err);
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
         .min = WR_SPEC_FORMAT_OLDEST,
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
        {.name = "generation",
         .kind = WR_JSON_U64,
         .ret = &spec.generation,
         .max = WR_SPEC_GENERATION_MAX},
        {.name = "level", .kind = WR_JSON_STRING, .ret = &raw.level},
        {.name = "pausedMs", .kind = WR_JSON_U64, .ret = &spec.paused_ms},
        {.name = "pauseReason", .kind = WR_JSON_STRING, .ret = &raw.pause_reason},
        {.name = "restored", .kind = WR_JSON_BOOL, .ret = &spec.restored},
        {.name = "redirect",
         .kind = WR_JSON_U64,
         .ret = &spec.redirect,
         .max = WR_NEST_REDIRECT_BOTH},
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

void wr_spec_write_limits(const struct wr_spec *spec, struct wr_jw *w)
{
    wr_jw_kstr(w, "id", spec->id);
    wr_jw_kstr(w, "template", spec->template_name);
    wr_jw_ku64(w, "cpuMillis", spec->cpu_millis);
    wr_jw_ku64(w, "memoryBytes", spec->memory_bytes);
    wr_jw_ku64(w, "diskBytes", spec->disk_bytes);
    wr_jw_ku64(w, "pids", spec->pids);
    wr_jw_ku64(w, "openFiles", spec->open_files);
}

void wr_spec_write_public(const struct wr_spec *spec, struct wr_jw *w)
{
    wr_spec_write_limits(spec, w);
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
    wr_jw_ku64(&w, "generation", spec->generation);
    wr_jw_kstr(&w, "level", wr_level_name(spec->level));
    wr_jw_ku64(&w, "pausedMs", spec->paused_ms);
    if (spec->pause_reason[0])
        wr_jw_kstr(&w, "pauseReason", spec->pause_reason);
    wr_jw_kbool(&w, "restored", spec->restored);
    wr_jw_ku64(&w, "redirect", spec->redirect);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}
