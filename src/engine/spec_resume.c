#include "engine/spec_resume.h"

#include "json/jread.h"

/* `own`: the field that only one of the two has. */
static int read_with(const json_t *payload, const struct wr_json_field *own,
                     struct wr_spec_resume *resume, struct wr_error *err)
{
    const struct wr_json_field fields[] = {
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &resume->id},
        *own,
        {.name = "sockets",
         .kind = WR_JSON_U64,
         .ret = &resume->sockets,
         .max = WR_ACTION_MAX_SOCKETS},
        {.name = "egress", .kind = WR_JSON_BOOL, .ret = &resume->egress},
        WR_SPEC_SECRET_FIELDS(&resume->secrets),
    };

    return wr_json_read(payload, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
}

int wr_spec_read_resume(const json_t *payload, struct wr_spec_resume *ret, struct wr_error *err)
{
    struct wr_spec_resume resume = {.memory = true};
    const struct wr_json_field own = {
        .name = "memory", .kind = WR_JSON_BOOL, .ret = &resume.memory};
    int rc = read_with(payload, &own, &resume, err);

    if (rc == 0)
        *ret = resume;
    return rc;
}

int wr_spec_read_rollback(const json_t *payload, struct wr_spec_resume *ret, struct wr_error *err)
{
    struct wr_spec_resume resume = {.memory = true};
    const struct wr_json_field own = {
        .name = "snapshot", .kind = WR_JSON_STRING, .required = true, .ret = &resume.snapshot};
    int rc = read_with(payload, &own, &resume, err);

    if (rc == 0)
        *ret = resume;
    return rc;
}

int wr_spec_take_resume(struct wr_spec *spec, const struct wr_spec_resume *resume,
                        struct wr_error *err)
{
    int rc = wr_spec_secrets_adopt(&resume->secrets, spec, err);

    if (rc < 0)
        return rc;
    spec->sockets = resume->sockets;
    spec->egress = resume->egress;
    return 0;
}
