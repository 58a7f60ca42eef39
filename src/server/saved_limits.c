#include "server/saved_limits.h"

#include "server/api/errors.h"
#include "server/server.h"
#include "server/settings.h"
#include "server/snapshot_take.h"
#include "server/transition.h"

static bool is_being_paused(const struct wr_sandbox *sandbox)
{
    const struct wr_transition *t = sandbox->transition;

    return sandbox->state == WR_SANDBOX_PAUSING ||
           (sandbox->state == WR_SANDBOX_RUNNING && t && wr_transition_wants(t, WR_TO_PAUSE));
}

int wr_saved_use(struct wr_server *server, const char *team_id, struct wr_saved_use *ret,
                 struct wr_error *err)
{
    struct wr_saved_use use = {.paused = 0};
    int r = wr_store_snapshot_count(server->store, team_id, &use.snapshots, &use.bytes, err);

    if (r < 0)
        return r;
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        const struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->internal || !wr_streq(sandbox->team_id, team_id))
            continue;
        use.paused += sandbox->counts_as_paused || is_being_paused(sandbox);
        if (sandbox->state == WR_SANDBOX_PAUSED)
            use.bytes += sandbox->saved_bytes;
    }
    *ret = use;
    return 0;
}

static int refuse(int status, const struct wr_error *why, struct wr_error *err)
{
    *err = *why;
    return status;
}

static int check_paused(const struct wr_server *server, const struct wr_saved_use *use,
                        struct wr_error *err)
{
    struct wr_error why = {0};

    if (server->config->max_paused == 0 || use->paused < server->config->max_paused)
        return 0;
    (void)wr_fail(&why, WR_E_RESOURCE_EXHAUSTED, 0,
                  "the team has %llu paused sandboxes, of %u that it may have (max-paused): resume "
                  "or kill one",
                  (unsigned long long)use->paused, server->config->max_paused);
    return refuse(429, &why, err);
}

/* How much it is going to be is not known before. */
static int check_bytes(const struct wr_server *server, const struct wr_saved_use *use,
                       struct wr_error *err)
{
    const uint64_t max = server->config->max_stored_bytes;
    struct wr_error why = {0};

    if (max == 0 || use->bytes < max)
        return 0;
    (void)wr_fail(&why, WR_E_RESOURCE_EXHAUSTED, 0,
                  "the team's paused sandboxes and snapshots take %llu MiB, of %llu MiB that they "
                  "may (max-stored): kill a paused sandbox or remove a snapshot",
                  (unsigned long long)(use->bytes / WR_MIB), (unsigned long long)(max / WR_MIB));
    return refuse(507, &why, err);
}

static int check_snapshots(const struct wr_server *server, const struct wr_saved_use *use,
                           struct wr_error *err)
{
    const uint32_t max =
        server->config->max_snapshots ? server->config->max_snapshots : WR_SNAPSHOTS_OF_TEAM;
    struct wr_error why = {0};

    if (use->snapshots < max)
        return 0;
    (void)wr_fail(&why, WR_E_RESOURCE_EXHAUSTED, 0,
                  "the team has %llu snapshots, of %u that it may keep (max-snapshots): remove one",
                  (unsigned long long)use->snapshots, max);
    return refuse(429, &why, err);
}

static int get_use(struct wr_server *server, const char *team_id, struct wr_saved_use *ret,
                   struct wr_error *err)
{
    int r = wr_saved_use(server, team_id, ret, err);

    return r < 0 ? wr_api_status(err) : 0;
}

int wr_saved_check_pause(struct wr_server *server, const struct wr_sandbox *sandbox,
                         enum wr_pause_level level, struct wr_error *err)
{
    struct wr_saved_use use;
    int status = get_use(server, sandbox->team_id, &use, err);

    if (status == 0 && !sandbox->counts_as_paused && !is_being_paused(sandbox))
        status = check_paused(server, &use, err);
    if (status == 0 && level == WR_PAUSE_HIBERNATED)
        status = check_bytes(server, &use, err);
    return status;
}

int wr_saved_check_snapshot(struct wr_server *server, const char *team_id, struct wr_error *err)
{
    struct wr_saved_use use;
    int status = get_use(server, team_id, &use, err);

    if (status == 0)
        status = check_snapshots(server, &use, err);
    return status ? status : check_bytes(server, &use, err);
}

int wr_saved_check_new(struct wr_server *server, const char *team_id, const json_t *settings,
                       struct wr_error *err)
{
    struct wr_saved_use use;

    if (!wr_settings_pauses(settings))
        return 0;
    int status = get_use(server, team_id, &use, err);
    if (status == 0)
        status = check_paused(server, &use, err);
    return status ? status : check_bytes(server, &use, err);
}
