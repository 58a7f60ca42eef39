#include "agent/fs/content_request.h"

#include "agent/fs/path.h"
#include "base/parse.h"
#include "base/str.h"
#include "json/jread.h"

bool wr_content_path(const char *raw, char out[static PATH_MAX])
{
    char absolute[PATH_MAX];

    return raw[0] != '\0' && wr_strformat(absolute, sizeof(absolute), "/%s", raw) &&
           wr_path_clean(absolute, out);
}

/* A number of the query; `value` stays when it is not there. */
static int read_number(const struct wr_exchange *ex, const char *name, uint64_t min, uint64_t max,
                       uint64_t *value, bool *ret_present, struct wr_error *err)
{
    char text[24] = "";
    int rc = wr_exchange_query(ex, name, text, sizeof(text), err);

    *ret_present = rc > 0;
    if (rc <= 0)
        return rc;
    if (wr_parse_u64(text, min, max, value) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: a number from %llu to %llu is needed",
                       name, (unsigned long long)min, (unsigned long long)max);
    return 0;
}

static int read_force(const struct wr_exchange *ex, bool *ret, struct wr_error *err)
{
    char text[8] = "";
    int rc = wr_exchange_query(ex, "force", text, sizeof(text), err);

    if (rc <= 0)
        return rc;
    *ret = wr_strcaseeq(text, "true") || wr_streq(text, "1");
    if (*ret || wr_strcaseeq(text, "false") || wr_streq(text, "0"))
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "force: true or false is needed");
}

static int read_path(const struct wr_exchange *ex, char out[static PATH_MAX], struct wr_error *err)
{
    char raw[PATH_MAX] = "";
    int rc = wr_exchange_query(ex, "path", raw, sizeof(raw), err);

    if (rc < 0)
        return rc;
    if (rc == 0 || raw[0] == '\0')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path: it is missing");
    if (!wr_content_path(raw, out))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "path: it is too long");
    return 0;
}

int wr_content_query_read(const struct wr_exchange *ex, struct wr_content_query *ret,
                          struct wr_error *err)
{
    uint64_t depth = 1, uid = WR_CONTENT_ID, gid = WR_CONTENT_ID, mode = 0;
    bool has_mode = false, force = false, ignored = false;
    const struct {
        const char *name;
        uint64_t min, max;
        uint64_t *value;
        bool *present;
    } numbers[] = {
        {"depth", 1, WR_CONTENT_MAX_DEPTH, &depth, &ignored},
        {"uid", 0, WR_CONTENT_MAX_ID, &uid, &ignored},
        {"gid", 0, WR_CONTENT_MAX_ID, &gid, &ignored},
        {"mode", 0, WR_CONTENT_MAX_MODE, &mode, &has_mode},
    };
    int rc = read_path(ex, ret->path, err);

    for (size_t i = 0; rc == 0 && i < WR_ARRAY_SIZE(numbers); i++)
        rc = read_number(ex, numbers[i].name, numbers[i].min, numbers[i].max, numbers[i].value,
                         numbers[i].present, err);
    if (rc == 0)
        rc = read_force(ex, &force, err);
    if (rc < 0)
        return rc;
    ret->depth = (uint32_t)depth;
    ret->uid = (uid_t)uid;
    ret->gid = (gid_t)gid;
    ret->mode = (mode_t)mode;
    ret->has_mode = has_mode;
    ret->force = force;
    return 0;
}

int wr_content_change_read(const char *body, size_t len, struct wr_content_change *ret,
                           struct wr_error *err)
{
    wr_auto_json *json = NULL;
    struct wr_content_change change = {.has_uid = false};
    const struct wr_json_field fields[] = {
        {.name = "uid",
         .kind = WR_JSON_U64,
         .ret_present = &change.has_uid,
         .ret = &change.uid,
         .max = WR_CONTENT_MAX_ID},
        {.name = "gid",
         .kind = WR_JSON_U64,
         .ret_present = &change.has_gid,
         .ret = &change.gid,
         .max = WR_CONTENT_MAX_ID},
        {.name = "mode",
         .kind = WR_JSON_U64,
         .ret_present = &change.has_mode,
         .ret = &change.mode,
         .max = WR_CONTENT_MAX_MODE},
    };
    int rc = wr_json_parse(body, len, &json, err);

    if (rc == 0)
        rc = wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_REFUSE_UNKNOWN, err);
    if (rc == 0)
        *ret = change;
    return rc;
}
