/* What clients call snapshots: the name that one is to get, and which one they mean. */
#pragma once

#include "server/store/store.h"
#include "server/template_ref.h"

struct wr_snapshot_name {
    char name[WR_SNAPSHOT_NAME_LEN + 1];
    char tag[WR_TEMPLATE_PART_MAX + 1]; /* "default" when none was given */
};

/* "[namespace/]name[:tag]", where the namespace can only be `slug`, the team's own, and the tag
 * cannot look like a build's ID. INVALID_ARGUMENT. */
int wr_snapshot_name_parse(const char *text, const char *slug, struct wr_snapshot_name *ret,
                           struct wr_error *err) WR_MUST_CHECK;

/*
 * The snapshot of a team that a template reference means, without a tag the one that is
 * "default". NOT_FOUND when the team has none of that name or ID, in which case it may be a
 * template; OUT_OF_RANGE when it has, but none with that tag.
 */
int wr_snapshot_ref_find(struct wr_store *store, const char *team_id,
                         const struct wr_template_ref *ref, struct wr_store_snapshot *ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* For the operator, who sees the snapshots of all teams: whose a reference means. A namespace says
 * it, else an ID does, which only one team has. NOT_FOUND. */
int wr_snapshot_ref_owner(struct wr_store *store, const struct wr_template_ref *ref,
                          char ret_team_id[static WR_UUID_LEN + 1], struct wr_error *err)
    WR_MUST_CHECK;
