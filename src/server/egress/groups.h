/*
 * Network groups: sandboxes of one team whose settings name the same group reach each other, by
 * names below "internal" (<id>.internal, and <hostname>.internal where a sandbox has one). A member
 * has a virtual address in 198.18.0.0/15 (RFC 2544) as long as it is a member; it means nothing
 * outside its group.
 */
#pragma once

#include "server/egress/policy.h"

#define WR_GROUP_DOMAIN      "internal"
#define WR_GROUP_MAX_MEMBERS 1024u

struct wr_net_groups;

struct wr_net_groups *wr_net_groups_new(void) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_net_groups *wr_net_groups_free(struct wr_net_groups *groups);
/* Puts the sandbox into the group that its policy names, or takes it out of any. Called at the
 * start and at each change. ALREADY_EXISTS when another member has its hostname, RESOURCE_EXHAUSTED
 * when the group is full: then it stays in the group where it was, if any. */
int wr_net_groups_update(struct wr_net_groups *groups, const char *sandbox_id, const char *team_id,
                         const struct wr_net_policy *policy, struct wr_error *err) WR_MUST_CHECK;
void wr_net_groups_leave(struct wr_net_groups *groups, const char *sandbox_id);
/* The address of `name` as the sandbox sees it. False when its group has no such member. */
bool wr_net_groups_resolve(const struct wr_net_groups *groups, const char *sandbox_id,
                           const char *name, struct wr_ip *ret);
/* Whether the address is in the range of groups at all; `*ret_peer` is the id of the member that
 * has it in the sandbox's group, or NULL. Borrowed until the next change. */
bool wr_net_groups_find(const struct wr_net_groups *groups, const char *sandbox_id,
                        const struct wr_ip *address, const char **ret_peer);
