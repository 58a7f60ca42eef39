#include "client/persist_request.h"

#include <inttypes.h>

#include "base/str.h"

#define LETTERS   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define REF_BYTES LETTERS "0123456789._/:-"

static const char *const level_names[] = {
    [WR_SANDBOX_FROZEN] = "frozen",
    [WR_SANDBOX_PAGED] = "paged",
    [WR_SANDBOX_HIBERNATED] = "hibernated",
};

const char *wr_sandbox_level_name(enum wr_sandbox_level level)
{
    return (unsigned)level < WR_ARRAY_SIZE(level_names) ? level_names[level] : NULL;
}

/* ---- paths ---- */

int wr_snapshot_ref_check(const char *ref, struct wr_error *err)
{
    /* One that begins with a dot could be a part of a path that means something else. */
    if (ref && wr_str_only(ref, REF_BYTES, 1, WR_SNAPSHOT_REF_MAX - 1) && *ref != '.')
        return 0;
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "\"%.60s\" is not the id or the name of a snapshot; it has letters, digits and "
                   "- _ . and the form [NAMESPACE/]NAME[:TAG]",
                   ref ? ref : "");
}

/* The characters that a reference can have and a segment of a path, or a query, cannot. */
static bool append_escaped(const char *ref, char *out, size_t cap)
{
    size_t used = strlen(out);

    for (; *ref; ref++) {
        bool plain = *ref != '/' && *ref != ':';
        bool fits = plain ? wr_strformat(out + used, cap - used, "%c", *ref)
                          : wr_strformat(out + used, cap - used, "%%%02X", (unsigned)*ref);
        if (!fits)
            return false;
        used += plain ? 1 : 3;
    }
    return true;
}

static int too_long(struct wr_error *err)
{
    return wr_fail(err, WR_E_INTERNAL, 0, "the path of a request is too long");
}

int wr_snapshot_target(const char *before, const char *ref, const char *behind,
                       char out[static WR_SNAPSHOT_TARGET_MAX], struct wr_error *err)
{
    int r = wr_snapshot_ref_check(ref, err);

    if (r < 0)
        return r;
    if (!wr_strcopy(out, WR_SNAPSHOT_TARGET_MAX, before) ||
        !append_escaped(ref, out, WR_SNAPSHOT_TARGET_MAX))
        return too_long(err);
    size_t used = strlen(out);
    return wr_strcopy(out + used, WR_SNAPSHOT_TARGET_MAX - used, behind) ? 0 : too_long(err);
}

int wr_snapshot_list_target(const struct wr_snapshot_list_opts *opts,
                            char out[static WR_SNAPSHOT_TARGET_MAX], struct wr_error *err)
{
    const struct {
        const char *key, *value;
    } filters[] = {{"&sandboxID=", opts->sandbox_id}, {"&name=", opts->name}};

    if (!wr_strcopy(out, WR_SNAPSHOT_TARGET_MAX, "/snapshots?limit=100"))
        return too_long(err);
    for (size_t i = 0; i < WR_ARRAY_SIZE(filters); i++) {
        size_t used = strlen(out);
        if (!filters[i].value)
            continue;
        int r = wr_snapshot_ref_check(filters[i].value, err);
        if (r < 0)
            return r;
        if (!wr_strcopy(out + used, WR_SNAPSHOT_TARGET_MAX - used, filters[i].key) ||
            !append_escaped(filters[i].value, out, WR_SNAPSHOT_TARGET_MAX))
            return too_long(err);
    }
    return 0;
}

/* ---- bodies ---- */

static int written(bool fits, struct wr_error *err)
{
    return fits ? 0 : wr_fail(err, WR_E_INTERNAL, 0, "the body of a request is too long");
}

int wr_pause_body(const struct wr_pause_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                  struct wr_error *err)
{
    const char *level = wr_sandbox_level_name(opts->level);

    if (opts->level != WR_SANDBOX_LEVEL_DEFAULT && !level)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "pause: there is no level %d",
                       (int)opts->level);
    /* Of other servers "level" is not a word. */
    return written(wr_strformat(out, WR_PERSIST_BODY_MAX, "{\"memory\":%s%s%s%s}",
                                opts->files_only ? "false" : "true", level ? ",\"level\":\"" : "",
                                level ? level : "", level ? "\"" : ""),
                   err);
}

int wr_resume_body(const struct wr_resume_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                   struct wr_error *err)
{
    return written(wr_strformat(out, WR_PERSIST_BODY_MAX, "{\"timeout\":%" PRIu64 "%s}",
                                opts->timeout_s, opts->files_only ? ",\"memory\":false" : ""),
                   err);
}

int wr_fork_body(const struct wr_fork_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                 struct wr_error *err)
{
    if (opts->count < 1 || opts->count > WR_FORK_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "fork: %u is not between 1 and %d",
                       opts->count, WR_FORK_MAX);
    return written(wr_strformat(out, WR_PERSIST_BODY_MAX, "{\"timeout\":%" PRIu64 ",\"count\":%u}",
                                opts->timeout_s, opts->count),
                   err);
}

int wr_rollback_body(const char *snapshot_id, uint64_t timeout_s,
                     char out[static WR_PERSIST_BODY_MAX], struct wr_error *err)
{
    int r = wr_snapshot_ref_check(snapshot_id, err);

    return r < 0 ? r
                 : written(wr_strformat(out, WR_PERSIST_BODY_MAX,
                                        "{\"snapshotID\":\"%s\",\"timeout\":%" PRIu64 "}",
                                        snapshot_id, timeout_s),
                           err);
}

int wr_snapshot_body(const struct wr_snapshot_opts *opts, char out[static WR_PERSIST_BODY_MAX],
                     struct wr_error *err)
{
    const char *name = opts->name ? opts->name : "";

    int r = opts->name ? wr_snapshot_ref_check(opts->name, err) : 0;
    if (r < 0)
        return r;
    return written(wr_strformat(out, WR_PERSIST_BODY_MAX, "{%s%s%s%s%s}",
                                *name ? "\"name\":\"" : "", name, *name ? "\"" : "",
                                *name && opts->files_only ? "," : "",
                                opts->files_only ? "\"memory\":false" : ""),
                   err);
}
