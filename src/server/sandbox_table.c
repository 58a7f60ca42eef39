#include "server/sandbox_table.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/fd.h"

#define BUCKETS 4096u

struct wr_sandbox_table {
    struct wr_list buckets[BUCKETS];
    struct wr_list all;
    struct wr_list uses; /* struct wr_team_use; few */
    size_t count, paused;
};

/* FNV-1a. Ids are made by this server from random bytes, so nobody can choose colliding ones. */
static struct wr_list *bucket_of(const struct wr_sandbox_table *table, const char *id)
{
    uint32_t hash = 2166136261u;

    for (const char *p = id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 16777619u;
    return (struct wr_list *)(uintptr_t)&table->buckets[hash % BUCKETS];
}

struct wr_sandbox_table *wr_sandbox_table_new(void)
{
    struct wr_sandbox_table *table = wr_calloc(1, sizeof *table);

    if (!table)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        wr_list_init(&table->buckets[i]);
    wr_list_init(&table->all);
    wr_list_init(&table->uses);
    return table;
}

struct wr_sandbox_table *wr_sandbox_table_free(struct wr_sandbox_table *table)
{
    if (!table)
        return NULL;
    wr_list_foreach(it, &table->uses)
        free(wr_list_entry(it, struct wr_team_use, link));
    free(table);
    return NULL;
}

struct wr_team_use *wr_sandbox_table_use(struct wr_sandbox_table *table, const char *team_id)
{
    wr_list_foreach(it, &table->uses) {
        struct wr_team_use *use = wr_list_entry(it, struct wr_team_use, link);
        if (wr_streq(use->team_id, team_id))
            return use;
    }
    struct wr_team_use *use = wr_calloc(1, sizeof *use);
    if (!use || !wr_strcopy(use->team_id, sizeof use->team_id, team_id)) {
        free(use);
        return NULL;
    }
    wr_list_append(&table->uses, &use->link);
    return use;
}

struct wr_sandbox *wr_sandbox_table_find(const struct wr_sandbox_table *table, const char *id)
{
    if (!wr_id_valid(id))
        return NULL;
    wr_list_foreach(it, bucket_of(table, id)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, bucket_link);
        if (wr_streq(sandbox->id, id))
            return sandbox;
    }
    return NULL;
}

int wr_sandbox_record_new(const char *id, struct wr_sandbox **ret, struct wr_error *err)
{
    if (!wr_id_valid(id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "not a sandbox id");
    struct wr_sandbox *sandbox = wr_calloc(1, sizeof *sandbox);
    if (!sandbox)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sandbox %s", id);
    memcpy(sandbox->id, id, sizeof sandbox->id);
    wr_list_init(&sandbox->waiters);
    wr_list_init(&sandbox->retrying);
    wr_list_init(&sandbox->connections);
    for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
        sandbox->egress_fds[i] = -1;
    *ret = sandbox;
    return 0;
}

struct wr_sandbox *wr_sandbox_record_free(struct wr_sandbox *sandbox)
{
    if (!sandbox)
        return NULL;
    wr_timer_stop(&sandbox->deadline);
    json_decref(sandbox->settings);
    explicit_bzero(sandbox->envd_token, sizeof sandbox->envd_token);
    explicit_bzero(sandbox->traffic_token, sizeof sandbox->traffic_token);
    explicit_bzero(sandbox->control_token, sizeof sandbox->control_token);
    wr_sandbox_drop_sockets(sandbox);
    for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
        wr_close(sandbox->egress_fds[i]);
    free(sandbox);
    return NULL;
}

/* Where one of them is counted. */
static size_t *count_of(struct wr_team_use *use, bool paused)
{
    return paused ? &use->paused : &use->sandboxes;
}

static void set_counts(struct wr_sandbox_table *table, struct wr_sandbox *sandbox, bool paused)
{
    if (paused == sandbox->counts_as_paused)
        return;
    --*count_of(sandbox->use, sandbox->counts_as_paused);
    ++*count_of(sandbox->use, paused);
    table->paused = paused ? table->paused + 1 : table->paused - 1;
    sandbox->counts_as_paused = paused;
}

void wr_sandbox_set_state(struct wr_sandbox_table *table, struct wr_sandbox *sandbox,
                          enum wr_sandbox_state state)
{
    sandbox->state = state;
    /* One that is killed stays what it was. */
    if (state != WR_SANDBOX_KILLING)
        set_counts(table, sandbox, state == WR_SANDBOX_PAUSED);
}

static int check_room(const struct wr_sandbox_table *table, bool paused, struct wr_error *err)
{
    if (paused && table->paused >= WR_SERVER_MAX_PAUSED)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "more than %d sandboxes are paused",
                       WR_SERVER_MAX_PAUSED);
    if (!paused && table->count - table->paused >= WR_SERVER_MAX_SANDBOXES)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "you have reached the maximum number of concurrent E2B sandboxes (%d)",
                       WR_SERVER_MAX_SANDBOXES);
    return 0;
}

int wr_sandbox_table_insert(struct wr_sandbox_table *table, struct wr_sandbox *sandbox,
                            const char *team_id, struct wr_error *err)
{
    if (wr_sandbox_table_find(table, sandbox->id))
        return wr_fail(err, WR_E_ALREADY_EXISTS, 0, "sandbox %s exists already", sandbox->id);
    bool paused = sandbox->state == WR_SANDBOX_PAUSED;
    int r = check_room(table, paused, err);
    if (r < 0)
        return r;
    struct wr_team_use *use = wr_sandbox_table_use(table, team_id);
    if (!use || !wr_strcopy(sandbox->team_id, sizeof sandbox->team_id, team_id))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sandbox %s", sandbox->id);
    sandbox->use = use;
    sandbox->counts_as_paused = paused;
    table->paused += paused;
    ++*count_of(use, paused);
    wr_list_append(bucket_of(table, sandbox->id), &sandbox->bucket_link);
    wr_list_append(&table->all, &sandbox->link);
    table->count++;
    return 0;
}

int wr_sandbox_table_add(struct wr_sandbox_table *table, const char *id, const char *team_id,
                         struct wr_sandbox **ret, struct wr_error *err)
{
    struct wr_sandbox *sandbox = NULL;

    int r = wr_sandbox_record_new(id, &sandbox, err);
    if (r == 0)
        r = wr_sandbox_table_insert(table, sandbox, team_id, err);
    if (r < 0) {
        wr_sandbox_record_free(sandbox);
        return r;
    }
    *ret = sandbox;
    return 0;
}

void wr_sandbox_table_remove(struct wr_sandbox_table *table, struct wr_sandbox *sandbox)
{
    wr_list_remove(&sandbox->bucket_link);
    wr_list_remove(&sandbox->link);
    table->count--;
    table->paused -= sandbox->counts_as_paused;
    --*count_of(sandbox->use, sandbox->counts_as_paused);
    wr_sandbox_record_free(sandbox);
}

size_t wr_sandbox_table_count(const struct wr_sandbox_table *table)
{
    return table->count;
}

size_t wr_sandbox_table_paused(const struct wr_sandbox_table *table)
{
    return table->paused;
}

struct wr_list *wr_sandbox_table_all(struct wr_sandbox_table *table)
{
    return &table->all;
}

void wr_sandbox_keep_sockets(struct wr_sandbox *sandbox, int *fds, size_t count)
{
    for (size_t i = 0; i < count && sandbox->socket_count < WR_ACTION_MAX_SOCKETS; i++)
        sandbox->sockets[sandbox->socket_count++] = wr_steal_fd(&fds[i]);
}

void wr_sandbox_drop_sockets(struct wr_sandbox *sandbox)
{
    while (sandbox->socket_count > 0)
        (void)wr_close(sandbox->sockets[--sandbox->socket_count]);
}

int wr_sandbox_take_socket(struct wr_sandbox *sandbox)
{
    if (sandbox->socket_count == 0)
        return -1;
    return sandbox->sockets[--sandbox->socket_count];
}

void wr_sandbox_keep_egress(struct wr_sandbox *sandbox, int *fds, size_t count)
{
    for (size_t i = 0; i < count && i < WR_ACTION_EGRESS_SOCKETS; i++) {
        wr_close(sandbox->egress_fds[i]);
        sandbox->egress_fds[i] = wr_steal_fd(&fds[i]);
    }
}
