#include "server/egress/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/list.h"

#define BUCKETS    1024
#define FIRST_HOST 2        /* not the range's own address, and not one that looks like a gateway */
#define LAST_HOST  0x1fffeu /* of the 17 bits of the range */
#define RANGE_BASE 0xc6120000u
#define RANGE_MASK 0xfffe0000u
#define V4_OFFSET  12 /* of the IPv4 address in its mapped form */

struct group {
    struct wr_list link;
    struct wr_list members; /* struct member.of_group */
    size_t count;
    uint32_t last; /* that was given out: an address is not used again soon, because peers keep the
                      answers of DNS for a while */
    char *team_id, *name; /* owned */
};

struct member {
    struct wr_list bucket_link;
    struct wr_list of_group;
    struct group *group;
    uint32_t host;  /* bits of the address behind the range's */
    char *hostname; /* owned; NULL: none */
    char id[WR_ID_LEN + 1];
};

struct wr_net_groups {
    struct wr_list groups;
    struct wr_list buckets[BUCKETS]; /* of members, by id */
};

static struct wr_list *bucket_of(const struct wr_net_groups *groups, const char *id)
{
    uint32_t hash = 2166136261u;

    for (const char *p = id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return (struct wr_list *)(uintptr_t)&groups->buckets[hash % BUCKETS];
}

static struct member *find_member(const struct wr_net_groups *groups, const char *id)
{
    wr_list_foreach(it, bucket_of(groups, id)) {
        struct member *member = wr_list_entry(it, struct member, bucket_link);
        if (wr_streq(member->id, id))
            return member;
    }
    return NULL;
}

static void free_member(struct member *member)
{
    if (!member)
        return;
    free(member->hostname);
    free(member);
}

static void free_group(struct group *group)
{
    if (!group)
        return;
    wr_list_remove(&group->link);
    free(group->team_id);
    free(group->name);
    free(group);
}

static void leave(struct member *member)
{
    struct group *group = member->group;

    wr_list_remove(&member->bucket_link);
    wr_list_remove(&member->of_group);
    free_member(member);
    if (--group->count == 0)
        free_group(group);
}

struct wr_net_groups *wr_net_groups_new(void)
{
    struct wr_net_groups *groups = wr_calloc(1, sizeof *groups);

    if (!groups)
        return NULL;
    wr_list_init(&groups->groups);
    for (size_t i = 0; i < BUCKETS; i++)
        wr_list_init(&groups->buckets[i]);
    return groups;
}

struct wr_net_groups *wr_net_groups_free(struct wr_net_groups *groups)
{
    if (!groups)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        while (!wr_list_empty(&groups->buckets[i]))
            leave(wr_list_entry(groups->buckets[i].next, struct member, bucket_link));
    free(groups);
    return NULL;
}

static struct group *find_group(const struct wr_net_groups *groups, const char *team_id,
                                const char *name)
{
    wr_list_foreach(it, &groups->groups) {
        struct group *group = wr_list_entry(it, struct group, link);
        if (wr_streq(group->team_id, team_id) && wr_streq(group->name, name))
            return group;
    }
    return NULL;
}

/* A group in no list. */
static struct group *new_group(const char *team_id, const char *name)
{
    struct group *group = wr_calloc(1, sizeof *group);

    if (!group)
        return NULL;
    wr_list_init(&group->members);
    group->last = FIRST_HOST - 1;
    group->team_id = wr_strdup(team_id);
    group->name = wr_strdup(name);
    if (!group->team_id || !group->name) {
        free_group(group);
        return NULL;
    }
    return group;
}

static const struct member *member_of_host(const struct group *group, uint32_t host)
{
    wr_list_foreach(it, &group->members) {
        const struct member *member = wr_list_entry(it, struct member, of_group);
        if (member->host == host)
            return member;
    }
    return NULL;
}

/* There are far more addresses than members. */
static uint32_t next_host(struct group *group)
{
    do
        group->last = group->last == LAST_HOST ? FIRST_HOST : group->last + 1;
    while (member_of_host(group, group->last));
    return group->last;
}

static const struct member *member_of_hostname(const struct group *group, const char *hostname,
                                               size_t len)
{
    wr_list_foreach(it, &group->members) {
        const struct member *member = wr_list_entry(it, struct member, of_group);
        if (member->hostname &&
            wr_memcaseeq(member->hostname, strlen(member->hostname), hostname, len))
            return member;
    }
    return NULL;
}

/* Whether somebody else in the group has that name; `id` may be no member. */
static int check_hostname(const struct group *group, const char *hostname, const char *id,
                          struct wr_error *err)
{
    const struct member *other =
        hostname && group ? member_of_hostname(group, hostname, strlen(hostname)) : NULL;

    if (!other || wr_streq(other->id, id))
        return 0;
    return wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                   "sandbox %s in network group '%s' has the hostname '%s' already; choose another",
                   other->id, group->name, hostname);
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? wr_streq(a, b) : a == b;
}

/* A member keeps its address when only its hostname changes. */
static int rename_member(struct member *member, const char *hostname, struct wr_error *err)
{
    char *copy = NULL;

    if (same_text(member->hostname, hostname))
        return 0;
    if (hostname && !(copy = wr_strdup(hostname)))
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "network group of %s", member->id);
    free(member->hostname);
    member->hostname = copy;
    return 0;
}

static int join(struct wr_net_groups *groups, const char *sandbox_id, const char *team_id,
                const struct wr_net_policy *policy, struct wr_error *err)
{
    const char *name = wr_net_policy_group(policy), *hostname = wr_net_policy_hostname(policy);
    struct group *group = find_group(groups, team_id, name);
    struct member *member = NULL;

    if (group && group->count >= WR_GROUP_MAX_MEMBERS)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "network group '%s' is full (at most %u sandboxes)", name,
                       WR_GROUP_MAX_MEMBERS);
    bool is_new = !group;
    if (is_new)
        group = new_group(team_id, name);
    member = wr_calloc(1, sizeof *member);
    if (!group || !member || !wr_strcopy(member->id, sizeof member->id, sandbox_id) ||
        (hostname && !(member->hostname = wr_strdup(hostname)))) {
        free_member(member);
        if (is_new)
            free_group(group);
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "network group of %s", sandbox_id);
    }
    if (is_new)
        wr_list_append(&groups->groups, &group->link);
    member->group = group;
    member->host = next_host(group);
    group->count++;
    wr_list_append(&group->members, &member->of_group);
    wr_list_append(bucket_of(groups, sandbox_id), &member->bucket_link);
    return 0;
}

int wr_net_groups_update(struct wr_net_groups *groups, const char *sandbox_id, const char *team_id,
                         const struct wr_net_policy *policy, struct wr_error *err)
{
    const char *name = wr_net_policy_group(policy), *hostname = wr_net_policy_hostname(policy);
    struct member *member = find_member(groups, sandbox_id);

    if (!name) {
        wr_net_groups_leave(groups, sandbox_id);
        return 0;
    }
    struct group *group = find_group(groups, team_id, name);
    int r = check_hostname(group, hostname, sandbox_id, err);
    if (r < 0)
        return r;
    if (member && member->group == group)
        return rename_member(member, hostname, err);
    /* The old membership goes when the new one is there. */
    r = join(groups, sandbox_id, team_id, policy, err);
    if (r == 0 && member)
        leave(member);
    return r;
}

void wr_net_groups_leave(struct wr_net_groups *groups, const char *sandbox_id)
{
    struct member *member = find_member(groups, sandbox_id);

    if (member)
        leave(member);
}

static void address_of(const struct member *member, struct wr_ip *ret)
{
    uint32_t address = RANGE_BASE | member->host;

    *ret = (struct wr_ip){.bytes = {[10] = 0xff, 0xff}};
    for (unsigned i = 0; i < 4; i++)
        ret->bytes[V4_OFFSET + i] = (unsigned char)(address >> (24 - 8 * i));
}

/* The last 32 bits of an IPv4 address. */
static uint32_t v4_of(const struct wr_ip *address)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | address->bytes[V4_OFFSET + i];
    return value;
}

bool wr_net_groups_resolve(const struct wr_net_groups *groups, const char *sandbox_id,
                           const char *name, struct wr_ip *ret)
{
    static const char suffix[] = "." WR_GROUP_DOMAIN;
    const size_t suffix_len = sizeof suffix - 1;
    const struct member *asker = find_member(groups, sandbox_id), *found = NULL;
    size_t len = strlen(name);

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (!asker || len <= suffix_len ||
        !wr_memcaseeq(name + len - suffix_len, suffix_len, suffix, suffix_len))
        return false;
    len -= suffix_len;
    wr_list_foreach(it, &asker->group->members) {
        const struct member *member = wr_list_entry(it, struct member, of_group);
        if (wr_memcaseeq(member->id, WR_ID_LEN, name, len))
            found = member;
    }
    if (!found)
        found = member_of_hostname(asker->group, name, len);
    if (!found)
        return false;
    address_of(found, ret);
    return true;
}

bool wr_net_groups_find(const struct wr_net_groups *groups, const char *sandbox_id,
                        const struct wr_ip *address, const char **ret_peer)
{
    const struct member *asker = find_member(groups, sandbox_id);
    const struct member *peer = NULL;

    if (!wr_ip_is_v4(address) || (v4_of(address) & RANGE_MASK) != RANGE_BASE)
        return false;
    if (asker)
        peer = member_of_host(asker->group, v4_of(address) & ~RANGE_MASK);
    *ret_peer = peer ? peer->id : NULL;
    return true;
}
