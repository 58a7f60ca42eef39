/*
 * What one team may keep of sandboxes that do not run: paused ones, snapshots, and the bytes of
 * both. Only what somebody asks for is measured against it. A sandbox that is paused because its
 * time is over is paused in any case: the alternatives are to lose it, or to let it run beyond its
 * time. So that this is no way around the limit, a team that has reached it makes no more sandboxes
 * that are to be paused at their timeout.
 */
#pragma once

#include "server/sandbox_table.h"

struct wr_server;

struct wr_saved_use {
    uint64_t paused; /* and those that are being paused */
    uint64_t snapshots;
    uint64_t bytes; /* of both, on the volume */
};

int wr_saved_use(struct wr_server *server, const char *team_id, struct wr_saved_use *ret,
                 struct wr_error *err) WR_MUST_CHECK;

/* Each is 0, or the HTTP status with which to refuse: 429 above a number, 507 above the bytes. The
 * message has the limit, what is used of it, and what helps. */
int wr_saved_check_pause(struct wr_server *server, const struct wr_sandbox *sandbox,
                         enum wr_pause_level level, struct wr_error *err) WR_MUST_CHECK;
int wr_saved_check_snapshot(struct wr_server *server, const char *team_id, struct wr_error *err)
    WR_MUST_CHECK;
/* Of a sandbox that is about to be made; `settings` as settings.h has them. */
int wr_saved_check_new(struct wr_server *server, const char *team_id, const json_t *settings,
                       struct wr_error *err) WR_MUST_CHECK;
