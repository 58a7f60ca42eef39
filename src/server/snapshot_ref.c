#include "server/snapshot_ref.h"

#include "server/store/uuid.h"

#define NAME_SET "abcdefghijklmnopqrstuvwxyz0123456789-_"

int wr_snapshot_name_parse(const char *text, const char *slug, struct wr_snapshot_name *ret,
                           struct wr_error *err)
{
    struct wr_template_ref ref = {0};
    struct wr_error ignored = {0};
    struct wr_snapshot_name out;

    if (wr_template_ref_parse(text, &ref, &ignored) < 0 ||
        !wr_str_only(ref.name, NAME_SET, 1, WR_SNAPSHOT_NAME_LEN))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "Invalid snapshot name \"%.80s\": [namespace/]name[:tag] of letters, "
                       "digits, '-' and '_'",
                       text);
    if (ref.team[0] && !wr_streq(ref.team, slug))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "namespace '%.80s' must match your team '%.80s'", ref.team, slug);
    if (wr_uuid_valid(ref.tag))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "Invalid snapshot name: the tag '%s' looks like the ID of a build", ref.tag);
    memcpy(out.name, ref.name, sizeof out.name);
    memcpy(out.tag, ref.tag, sizeof out.tag);
    if (!out.tag[0])
        memcpy(out.tag, WR_TEMPLATE_TAG, sizeof WR_TEMPLATE_TAG);
    *ret = out;
    return 0;
}

int wr_snapshot_ref_find(struct wr_store *store, const char *team_id,
                         const struct wr_template_ref *ref, struct wr_store_snapshot *ret,
                         struct wr_error *err)
{
    struct wr_store_snapshot other;
    const char *tag = ref->tag[0] ? ref->tag : WR_TEMPLATE_TAG;

    int r = wr_store_snapshot_find(store, team_id, ref->name, tag, ret, err);
    if (r != -WR_E_NOT_FOUND)
        return r;
    r = wr_store_snapshot_find(store, team_id, ref->name, "", &other, err);
    explicit_bzero(&other, sizeof other);
    return r == 0 ? wr_fail(err, WR_E_OUT_OF_RANGE, 0,
                            "tag '%.100s' does not exist for template '%.100s'", tag, ref->name)
                  : r;
}

struct owner {
    const char *template_id;
    char *team_id;
};

/* Another team may have given one a name that looks like the ID. */
static bool note_owner(const struct wr_store_snapshot *snapshot, void *data)
{
    const struct owner *owner = data;

    if (!wr_streq(snapshot->template_id, owner->template_id))
        return true;
    memcpy(owner->team_id, snapshot->team_id, WR_UUID_LEN + 1);
    return false;
}

int wr_snapshot_ref_owner(struct wr_store *store, const struct wr_template_ref *ref,
                          char ret_team_id[static WR_UUID_LEN + 1], struct wr_error *err)
{
    struct owner owner = {.template_id = ref->name, .team_id = ret_team_id};
    const struct wr_store_snapshot_query query = {.team_id = "",
                                                  .sandbox_id = "",
                                                  .name_or_id = ref->name,
                                                  .tag = "",
                                                  .before_ms = UINT64_MAX,
                                                  .before_id = "",
                                                  .limit = INT32_MAX};
    struct wr_team team;
    int r = 0;

    ret_team_id[0] = '\0';
    if (ref->team[0]) {
        r = wr_store_team_find(store, ref->team, &team, err);
        if (r == 0)
            memcpy(ret_team_id, team.id, WR_UUID_LEN + 1);
    } else if (wr_template_ref_is_id(ref)) {
        r = wr_store_snapshot_page(store, &query, note_owner, &owner, err);
    }
    return r < 0 || ret_team_id[0] ? r : wr_fail(err, WR_E_NOT_FOUND, 0, "Snapshot not found");
}
